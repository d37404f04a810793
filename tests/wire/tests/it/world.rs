//! A local server, somebody logged in there, and calls with the headers that recorded commands have.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_e2e::local::Local;
use micro_rpc::{Codec, Message, Status};
use micro_wire::{
    call::{Reply, call},
    open::Open,
    session::Session,
    vectors::{self, Exchange, Side},
};

pub const LIST: &str = "/registry.Registry/ListServices";

/// A server, and somebody logged in there.
pub struct Door {
    pub server: Local,
    pub session: Session,
}

impl Door {
    pub async fn open() -> Result<Self> {
        let mut door = Self {
            server: Local::start(&[])?,
            session: Session::default(),
        };
        let login = vectors::commands().into_iter().find(|c| c.n == 8).context("a login")?;
        let exchange = &login.exchanges[0];
        let reply = door.ask(exchange, exchange.sent_by(Side::Client)).await?;
        door.session.learn(exchange, &reply)?;
        Ok(door)
    }

    pub async fn ask(&self, exchange: &Exchange, messages: Vec<Bytes>) -> Result<Reply> {
        call(self.server.at.proxy, exchange, self.session.token(), messages).await
    }

    /// Opens a call whose messages are sent one by one.
    pub async fn dial(&self, exchange: &Exchange) -> Result<Open> {
        Open::call(self.server.at.proxy, exchange, self.session.token()).await
    }

    /// A unary call that must be answered well.
    pub async fn tell<M: Message>(&self, path: &str, request: &impl Message) -> Result<M> {
        let reply = self
            .ask(&like_a_command(path), vec![Codec::Proto.encode(request)])
            .await?;
        ensure!(reply.status.is_none(), "{path}: {:?}", reply.status);
        let answer = reply.messages.first().with_context(|| format!("{path}: no answer"))?;
        Ok(Codec::Proto.decode(answer.clone())?)
    }

    /// How a call ends badly: code, id and words.
    pub async fn refusal(&self, exchange: &Exchange, message: impl Into<Bytes>) -> Result<(i32, String, String)> {
        let reply = self.ask(exchange, vec![message.into()]).await?;
        match reply.status.context("a refusal")? {
            Status::Error(e) => Ok((i32::from(e.kind().status()), e.id().to_owned(), e.message().to_owned())),
            Status::Plain { code, message } => Ok((i32::from(code.0), String::new(), message)),
        }
    }
}

/// A call of `path` with the headers that recorded commands have.
pub fn like_a_command(path: &str) -> Exchange {
    let recorded = vectors::commands().into_iter().flat_map(|c| c.exchanges);
    let mut exchange = recorded
        .into_iter()
        .find(|e| e.path == LIST && e.headers.contains_key("authorization"))
        .expect("recorded");
    path.clone_into(&mut exchange.path);
    exchange
}

/// The same for a stream, which has no deadline.
pub fn like_a_stream(path: &str) -> Exchange {
    let mut exchange = like_a_command(path);
    exchange
        .headers
        .retain(|name, _| !matches!(name.as_str(), "timeout" | "grpc-timeout"));
    exchange
}

pub fn with(mut exchange: Exchange, header: &str, value: &str) -> Exchange {
    exchange.headers.insert(header.to_owned(), vec![value.to_owned()]);
    exchange
}

pub fn json(path: &str) -> Exchange {
    with(like_a_command(path), "content-type", Codec::Json.content_type())
}

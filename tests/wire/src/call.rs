//! One call with exactly the recorded headers and messages.

use std::{
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, Request};
use http_body_util::StreamBody;
use hyper::{body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_rpc::Status;
use tokio::net::TcpStream;

use crate::vectors::Exchange;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The head's headers; all there is where an error came before any message.
    pub head: HeaderMap,
    /// The messages.
    pub messages: Vec<Bytes>,
    /// How it ended, if not well.
    pub status: Option<Status>,
}

/// Makes the call: recorded headers with a live token in place of the x's, and these messages.
pub async fn call(to: SocketAddr, exchange: &Exchange, token: Option<&str>, messages: Vec<Bytes>) -> Result<Reply> {
    tokio::time::timeout(PATIENCE, exchange_with(to, exchange, token, messages))
        .await
        .with_context(|| format!("{} was not answered", exchange.path))?
}

async fn exchange_with(
    to: SocketAddr,
    exchange: &Exchange,
    token: Option<&str>,
    messages: Vec<Bytes>,
) -> Result<Reply> {
    let mut request = Request::post(format!("http://{to}{}", exchange.path)).header("te", "trailers");
    for (name, value) in exchange.live_headers(token) {
        request = request.header(name, &*value);
    }
    let socket = TcpStream::connect(to).await?.into_std()?;
    let hang_up = socket.try_clone()?;
    let socket = TcpStream::from_std(socket)?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
    let connection = tokio::spawn(connection);
    let response = sender
        .send_request(request.body(body(messages, exchange.client_half_closed))?)
        .await?;
    let (head, body) = response.into_parts();
    let mut reply = Reply {
        messages: vec![],
        status: Status::read(&head.headers),
        head: head.headers,
    };
    if reply.status.is_none() {
        let mut frames = micro_rpc::deframe(body);
        while let Some(message) = frames.next().await {
            match message {
                Ok(message) => reply.messages.push(message),
                Err(status) => reply.status = Some(status),
            }
        }
    }
    // A server that is asked to stop waits for its clients.
    hang_up.shutdown(Shutdown::Both).ok();
    connection.abort();
    Ok(reply)
}

/// The messages; then the end of the client's side, or nothing more.
fn body(
    messages: Vec<Bytes>,
    half_closed: bool,
) -> StreamBody<impl Stream<Item = Result<Frame<Bytes>, std::convert::Infallible>> + Send + Unpin> {
    let sent = stream::iter(messages).map(|m| Ok(Frame::data(micro_rpc::frame(&m))));
    let open = stream::pending().take(if half_closed { 0 } else { 1 });
    StreamBody::new(sent.chain(open))
}

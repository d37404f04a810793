//! One call whose two sides a test holds in its hands: what is sent when, and what has come.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::{SinkExt, StreamExt, channel::mpsc, stream};
use http::Request;
use http_body_util::StreamBody;
use hyper::{body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_rpc::{Frames, Status};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::vectors::Exchange;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages that may be sent before the server reads them.
const SENT_AHEAD: usize = 64;

/// A call under way. Dropping it hangs up.
pub struct Open {
    /// None once this side is closed.
    sender: Option<mpsc::Sender<Result<Frame<Bytes>, Infallible>>>,
    answer: Answer,
    connection: JoinHandle<hyper::Result<()>>,
}

enum Answer {
    /// The head has not come yet.
    Awaited(JoinHandle<hyper::Result<http::Response<hyper::body::Incoming>>>),
    Arriving(Frames),
}

impl Open {
    /// Calls with the exchange's path and headers; nothing is sent yet.
    pub async fn call(to: SocketAddr, exchange: &Exchange, token: Option<&str>) -> Result<Self> {
        let mut request = Request::post(format!("http://{to}{}", exchange.path)).header("te", "trailers");
        for (name, value) in exchange.live_headers(token) {
            request = request.header(name, &*value);
        }
        let socket = TcpStream::connect(to).await?;
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
        let connection = tokio::spawn(connection);
        let (messages, sent) = mpsc::channel(SENT_AHEAD);
        let request = request.body(StreamBody::new(sent))?;
        let head = tokio::spawn(async move { sender.send_request(request).await });
        Ok(Self {
            sender: Some(messages),
            answer: Answer::Awaited(head),
            connection,
        })
    }

    /// Sends one message.
    pub async fn send(&mut self, message: impl AsRef<[u8]>) -> Result<()> {
        let sender = self.sender.as_mut().context("this side is closed")?;
        let frame = Frame::data(micro_rpc::frame(message.as_ref()));
        let sent = sender.send(Ok(frame)).await;
        ensure!(sent.is_ok(), "the server listens no more");
        Ok(())
    }

    /// Ends this side.
    pub fn half_close(&mut self) {
        self.sender = None;
    }

    /// Waits for the answer's head: the server has taken the call up.
    pub async fn head(&mut self) -> Result<()> {
        tokio::time::timeout(PATIENCE, self.frames())
            .await
            .context("no head")??;
        Ok(())
    }

    /// The next message, the status that ends it badly, or none where it ended well.
    pub async fn next(&mut self) -> Result<Option<Result<Bytes, Status>>> {
        let next = async { Ok(self.frames().await?.next().await) };
        tokio::time::timeout(PATIENCE, next).await.context("nothing came")?
    }

    async fn frames(&mut self) -> Result<&mut Frames> {
        if let Answer::Awaited(head) = &mut self.answer {
            let (head, body) = head.await??.into_parts();
            self.answer = Answer::Arriving(match Status::read(&head.headers) {
                Some(status) => stream::iter([Err(status)]).boxed(),
                None => micro_rpc::deframe(body),
            });
        }
        match &mut self.answer {
            Answer::Arriving(frames) => Ok(frames),
            Answer::Awaited(_) => bail!("it has just arrived"),
        }
    }

    /// The next message, where one must come.
    pub async fn message(&mut self) -> Result<Bytes> {
        Ok(self.next().await?.context("it ended")??)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Answer::Awaited(head) = &self.answer {
            head.abort();
        }
        self.connection.abort();
    }
}

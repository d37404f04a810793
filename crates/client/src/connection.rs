//! One HTTP/2 connection, dialled when it is needed.

use std::{io, pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Stream, future::Either as Way};
use http::Request;
use http_body_util::{Either, Full, StreamBody};
use hyper::{
    body::Frame,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use micro_error::{Error, Kind};
use micro_rpc::{Code, Frames, Status};
use tokio::{net::TcpStream, sync::Mutex};

use crate::{Endpoint, ID, tls};

pub type RequestBody =
    Either<Full<Bytes>, StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Status>> + Send>>>>;

/// Dialling, with the TLS handshake.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// A quiet connection is asked for life so often while calls are open, and given so long to answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Uploads and log replays should not wait for window updates.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

pub struct Connection {
    endpoint: Endpoint,
    sender: Mutex<Option<SendRequest<RequestBody>>>,
}

impl Connection {
    pub fn to(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            sender: Mutex::new(None),
        }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The way to send requests, dialled anew if there is none or it was lost.
    pub async fn sender(&self) -> Result<SendRequest<RequestBody>, Error> {
        let mut held = self.sender.lock().await;
        if let Some(sender) = held.as_mut()
            && sender.ready().await.is_ok()
        {
            return Ok(sender.clone());
        }
        let dialled = tokio::time::timeout(DIAL_TIMEOUT, self.dial());
        let sender = match dialled.await {
            Ok(Ok(sender)) => sender,
            Ok(Err(e)) => return Err(self.unreachable(&e)),
            Err(_) => return Err(self.unreachable(&io::ErrorKind::TimedOut.into())),
        };
        *held = Some(sender.clone());
        Ok(sender)
    }

    async fn dial(&self) -> io::Result<SendRequest<RequestBody>> {
        let tcp = TcpStream::connect((self.endpoint.host(), self.endpoint.port())).await?;
        tcp.set_nodelay(true)?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        // The connection's own errors are seen by each call on it; its task has nobody else to tell.
        let (sender, connection) = if self.endpoint.is_tls() {
            let (sender, connection) = builder
                .handshake(TokioIo::new(tls::connect(&self.endpoint, tcp).await?))
                .await
                .map_err(io::Error::other)?;
            (sender, Way::Left(connection))
        } else {
            let (sender, connection) = builder.handshake(TokioIo::new(tcp)).await.map_err(io::Error::other)?;
            (sender, Way::Right(connection))
        };
        tokio::spawn(connection);
        Ok(sender)
    }

    fn unreachable(&self, why: &io::Error) -> Error {
        let why = match why.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::TimedOut => "no answer in time".to_owned(),
            _ => why.to_string(),
        };
        Error::new(Kind::Unavailable, ID, format!("connecting to {}: {why}", self.endpoint))
    }

    /// Sends a request; what comes back are its messages.
    pub async fn send(&self, request: Request<RequestBody>) -> Result<Frames, Status> {
        let mut sender = self.sender().await?;
        let response = sender.send_request(request).await.map_err(|e| self.lost(&e))?;
        let (head, body) = response.into_parts();
        if let Some(status) = Status::read(&head.headers) {
            return Err(status);
        }
        if head.status != http::StatusCode::OK {
            let text = format!("{} answered HTTP {}: is it a Micro server?", self.endpoint, head.status);
            return Err(Status::plain(Code::UNAVAILABLE, text));
        }
        Ok(micro_rpc::deframe(body))
    }

    fn lost(&self, why: &hyper::Error) -> Status {
        let mut text = format!("the connection to {} was lost: {why}", self.endpoint);
        let mut cause = std::error::Error::source(why);
        while let Some(e) = cause {
            text = format!("{text}: {e}");
            cause = e.source();
        }
        Status::plain(Code::UNAVAILABLE, text)
    }
}

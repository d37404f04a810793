//! gRPC load: many calls on a few connections, each answer looked at.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use h2::client::{self, SendRequest};
use http::{HeaderMap, Method, Request, Uri, header};
use tokio::net::TcpStream;

use super::tenants::whose_turn;
use crate::harness::{Load, closed_loop, open_loop};

/// What is called, where, as whom, and what must come back.
#[derive(Clone)]
pub struct Target {
    /// The door.
    pub address: SocketAddr,
    /// The method.
    pub path: &'static str,
    /// Each caller's `authorization`; nobody's where there is none.
    pub tokens: Arc<[String]>,
    /// The framed request.
    pub request: Bytes,
    /// The framed answer.
    pub answer: Bytes,
}

impl Target {
    /// So many calls at any time, for that long.
    pub async fn closed(self, connections: usize, in_flight: usize, length: Duration) -> Result<Load> {
        let connections = Connections::open(self, connections).await?;
        closed_loop(in_flight, length, move |client, _| {
            let connections = connections.clone();
            async move { connections.call(client).await }
        })
        .await
    }

    /// So many calls a second, whether those before were answered or not.
    pub async fn open(self, connections: usize, per_second: u32, length: Duration) -> Result<Load> {
        let connections = Connections::open(self, connections).await?;
        open_loop(per_second, length, move |number| {
            let connections = connections.clone();
            async move { connections.call(number as usize).await }
        })
        .await
    }
}

/// Open connections to a target.
#[derive(Clone)]
struct Connections {
    target: Target,
    uri: Uri,
    open: Arc<[(SendRequest<Bytes>, AtomicU64)]>,
}

impl Connections {
    async fn open(target: Target, count: usize) -> Result<Self> {
        let uri = format!("http://{}{}", target.address, target.path).parse()?;
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            open.push((connect(target.address).await?, AtomicU64::new(0)));
        }
        Ok(Self {
            target,
            uri,
            open: open.into(),
        })
    }

    async fn call(&self, client: usize) -> Result<()> {
        let connection = client % self.open.len();
        let (sender, calls) = &self.open[connection];
        let calls = calls.fetch_add(1, Ordering::Relaxed);
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, http::HeaderValue::from_static("trailers"));
        if !self.target.tokens.is_empty() {
            let whose = whose_turn(self.target.tokens.len(), self.open.len(), connection, calls);
            headers.insert(header::AUTHORIZATION, self.target.tokens[whose].parse()?);
        }
        let mut sender = sender.clone().ready().await?;
        let (answer, mut stream) = sender.send_request(request, false)?;
        stream.send_data(self.target.request.clone(), true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut message = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            message.extend_from_slice(&piece);
        }
        let trailers = body.trailers().await?;
        well_ended(trailers.as_ref().unwrap_or(&head.headers))?;
        ensure!(
            message == self.target.answer,
            "another answer of {} bytes",
            message.len()
        );
        Ok(())
    }
}

/// HTTP says 200 of a failed call too.
fn well_ended(trailers: &HeaderMap) -> Result<()> {
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").context("no grpc-status")? {
        "0" => Ok(()),
        status => bail!("grpc-status {status}: {}", text("grpc-message").unwrap_or_default()),
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>> {
    let connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let (sender, connection) = client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .enable_push(false)
        .handshake(connection)
        .await?;
    tokio::spawn(connection);
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_status_nought_is_well() {
        let trailers = |status: &str| {
            HeaderMap::from_iter([("grpc-status".parse().expect("a name"), status.parse().expect("a value"))])
        };
        assert!(well_ended(&trailers("0")).is_ok());
        assert_eq!(
            well_ended(&trailers("14")).expect_err("it failed").to_string(),
            "grpc-status 14: "
        );
        assert!(well_ended(&HeaderMap::new()).is_err());
    }
}

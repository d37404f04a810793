//! HTTP/JSON load: each client on a connection of its own, each answer looked at.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Mutex};

use crate::harness::{Load, closed_loop};

/// What is called, where, as whom, and what must come back.
#[derive(Clone)]
pub struct Target {
    /// The door.
    pub address: SocketAddr,
    /// The path.
    pub path: &'static str,
    /// Each caller's `authorization`.
    pub tokens: Arc<[String]>,
    /// The request's body.
    pub request: Bytes,
    /// The answer's.
    pub answer: Bytes,
}

impl Target {
    /// So many clients, each asking again as soon as it was answered.
    pub async fn closed(self, clients: usize, length: Duration) -> Result<Load> {
        let mut open = Vec::with_capacity(clients);
        for _ in 0..clients {
            open.push(Mutex::new(connect(self.address).await?));
        }
        let (target, open) = (Arc::new(self), Arc::new(open));
        closed_loop(clients, length, move |client, _| {
            let (target, open) = (target.clone(), open.clone());
            async move { target.call(&mut *open[client].lock().await, client).await }
        })
        .await
    }

    async fn call(&self, connection: &mut SendRequest<Full<Bytes>>, client: usize) -> Result<()> {
        let mut request = Request::post(self.path).body(Full::new(self.request.clone()))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let token = &self.tokens[client % self.tokens.len()];
        headers.insert(header::AUTHORIZATION, token.parse()?);
        connection.ready().await?;
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&body));
        ensure!(
            body == self.answer,
            "another answer: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(connection)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

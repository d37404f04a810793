//! A service that runs beside a played core, and a caller of it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_sdk::{Account, Error, Service, Settings};
use serde_json::Value;
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle};

use crate::core::{Core, frame, text};

pub struct Running {
    pub core: Core,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), Error>>,
}

/// A reply as it came: messages, gRPC status, the error's text.
#[derive(Debug, PartialEq)]
pub struct Replied {
    pub messages: Vec<Bytes>,
    pub status: String,
    pub error: String,
    pub content_type: String,
}

impl Replied {
    pub fn json(&self) -> Vec<Value> {
        assert_eq!((self.status.as_str(), self.error.as_str()), ("0", ""));
        self.messages
            .iter()
            .map(|m| serde_json::from_slice(m).expect("JSON"))
            .collect()
    }

    pub fn failed(&self) -> Value {
        assert_ne!(self.status, "0");
        let text = self.error.replace("%25", "%");
        serde_json::from_str(&text).expect("Micro's error")
    }
}

impl Running {
    pub async fn start(service: Service) -> Self {
        Self::with_account(service, None).await
    }

    pub async fn with_account(service: Service, account: Option<Account>) -> Self {
        let core = Core::start().await;
        let settings = Settings {
            proxy: core.address.to_string(),
            namespace: "amber".into(),
            address: "127.0.0.1:0".into(),
            account,
        };
        let (stop, told) = oneshot::channel::<()>();
        let ended = tokio::spawn(service.run_until(settings, async move { drop(told.await) }));
        let registered = core
            .until("a registration", |s| s.registered.values().next().cloned())
            .await;
        let address = text(&registered.0["nodes"][0]["address"]).parse().expect("an address");
        Self {
            core,
            address,
            stop: Some(stop),
            ended,
        }
    }

    pub async fn stop(mut self) -> (Core, Result<(), Error>) {
        self.stop.take().map(|s| s.send(()));
        (self.core, self.ended.await.expect("no panic"))
    }

    pub async fn ask(&self, path: &str, request: &Value) -> Replied {
        ask(self.address, path, request).await
    }

    pub async fn send(&self, path: &str, content_type: &str, body: Bytes, headers: &[(&str, &str)]) -> Replied {
        send(self.address, path, content_type, body, headers).await
    }
}

pub async fn ask(address: SocketAddr, path: &str, request: &Value) -> Replied {
    send(address, path, "application/grpc+json", frame(request), &[]).await
}

async fn send(address: SocketAddr, path: &str, content_type: &str, body: Bytes, headers: &[(&str, &str)]) -> Replied {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://{address}{path}")).header("content-type", content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).expect("a request");
    let (head, body) = sender.send_request(request).await.expect("a response").into_parts();
    let body = body.collect().await.expect("a whole body");
    let trailers = body.trailers().cloned().expect("trailers");
    let value = |headers: &http::HeaderMap, name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let mut rest = body.to_bytes();
    let mut messages = vec![];
    while !rest.is_empty() {
        let length = u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]) as usize;
        messages.push(rest.slice(5..5 + length));
        rest = rest.slice(5 + length..);
    }
    Replied {
        messages,
        status: value(&trailers, "grpc-status"),
        error: value(&trailers, "grpc-message"),
        content_type: value(&head.headers, "content-type"),
    }
}

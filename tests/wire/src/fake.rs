//! A server that answers with recorded bytes.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_error::{Error, Kind};
use micro_rpc::{Code, Codec, Status};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::vectors::{Exchange, Side};

/// A header of its own on every answer.
pub const ANSWERED_BY: &str = "answered-by";

/// The running server.
pub struct Fake {
    /// Where it answers.
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Script {
    replies: BTreeMap<String, VecDeque<Exchange>>,
    asked: Vec<Asked>,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `/auth.Auth/Token`
    pub path: String,
    /// The codec of its messages.
    pub codec: Codec,
    /// The namespace that the header names.
    pub namespace: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The messages; the first only of a stream that stays open.
    pub messages: Vec<Bytes>,
}

impl Fake {
    /// Starts it with nothing to say.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let script = Arc::<Mutex<Script>>::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(accept(listener, script.clone()));
        Ok(Self {
            address,
            script,
            runtime: Some(runtime),
        })
    }

    /// From now on it answers with these, in their order for each path.
    pub fn play(&self, exchanges: &[Exchange]) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        *script = Script::default();
        for exchange in exchanges {
            script
                .replies
                .entry(exchange.path.clone())
                .or_default()
                .push_back(exchange.clone());
        }
    }

    /// What it was asked since it plays these.
    pub fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

/// Without waiting, so that an asynchronous test may drop it too.
impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>) {
    while let Ok((socket, _)) = listener.accept().await {
        let script = script.clone();
        let answer = service_fn(move |request| answer(script.clone(), request));
        let serve = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer);
        tokio::spawn(serve);
    }
}

type Reply = Response<BoxBody<Bytes, Infallible>>;

async fn answer(script: Arc<Mutex<Script>>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let path = request.uri().path().to_owned();
    let content_type = request.headers().get("content-type").cloned();
    let text = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
    let mut asked = Asked {
        path: path.clone(),
        codec: text("content-type")
            .and_then(Codec::of_content_type)
            .unwrap_or(Codec::Proto),
        namespace: text("micro-namespace").map(str::to_owned),
        headers: request.headers().clone(),
        messages: vec![],
    };
    let exchange = {
        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
        script.replies.get_mut(&path).and_then(VecDeque::pop_front)
    };
    let mut frames = micro_rpc::deframe(request.into_body());
    while let Some(Ok(message)) = frames.next().await {
        asked.messages.push(message);
        // A stream whose client keeps its side open is answered without waiting for more.
        if exchange.as_ref().is_some_and(|e| !e.client_half_closed) {
            break;
        }
    }
    script.lock().unwrap_or_else(PoisonError::into_inner).asked.push(asked);
    let mut reply = match exchange {
        Some(exchange) => recorded(&exchange),
        None => refused(&unknown(&path)),
    };
    if let Some(content_type) = content_type {
        reply.headers_mut().insert("content-type", content_type);
    }
    reply
        .headers_mut()
        .insert(ANSWERED_BY, HeaderValue::from_static("fake"));
    Ok(reply)
}

fn recorded(exchange: &Exchange) -> Reply {
    let sent = exchange.sent_by(Side::Server);
    let text = exchange.grpc_message.clone().unwrap_or_default();
    let failed = (exchange.grpc_code != 0).then(|| Status::plain(Code(exchange.grpc_code), text));
    if let (true, Some(status)) = (sent.is_empty(), &failed) {
        return refused(status);
    }
    let mut trailers = HeaderMap::new();
    match failed {
        Some(status) => status.write(&mut trailers),
        None => drop(trailers.insert("grpc-status", HeaderValue::from_static("0"))),
    }
    let framed: Vec<Bytes> = sent.iter().map(|m| micro_rpc::frame(m)).collect();
    let body = Full::new(Bytes::from(framed.concat())).with_trailers(async { Some(Ok(trailers)) });
    Response::new(body.boxed())
}

fn refused(status: &Status) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()).boxed());
    status.write(reply.headers_mut());
    reply
}

/// As upstream's server says that it has no such handler, and that there is no such service.
fn unknown(path: &str) -> Status {
    const CORE: [&str; 7] = ["auth", "broker", "config", "events", "registry", "runtime", "store"];
    let (service, handler) = micro_rpc::Path::parse(path).map_or(("", ""), |p| (p.service, p.handler));
    if CORE.contains(&service) {
        return Status::unknown_handler(handler);
    }
    let words = format!("service {service}: route not found");
    Error::new(Kind::Internal, "go.micro.client", words).into()
}

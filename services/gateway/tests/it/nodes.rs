//! A tenant's service: a real HTTP/2 server that shows what reached it.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_domain::InstanceId;
use micro_error::{Error, Kind};
use micro_rpc::{
    Status, deframe, frame,
    mesh::{Connect, Node},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinHandle,
};

/// What a node saw and how it is told to go on.
#[derive(Default)]
pub struct Seen {
    pub headers: Mutex<Vec<HeaderMap>>,
    pub connections: AtomicUsize,
    /// A call of `Hold` came in; it is answered when `release` is notified.
    pub held: Notify,
    pub release: Notify,
    /// Calls of `Hold` that were cancelled.
    pub cancelled: Notify,
}

pub struct TestNode {
    pub seen: Arc<Seen>,
    pub address: SocketAddr,
    way: Arc<Way>,
    instance: Option<InstanceId>,
    serving: JoinHandle<()>,
}

struct Way(SocketAddr);

#[async_trait]
impl Connect for Way {
    async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.0).await
    }

    fn key(&self) -> Option<u64> {
        Some(self.0.port().into())
    }
}

impl TestNode {
    pub async fn start() -> Self {
        Self::of(None).await
    }

    pub async fn of(instance: Option<InstanceId>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Seen::default());
        let serving = tokio::spawn(serve(listener, seen.clone()));
        Self {
            seen,
            address,
            way: Arc::new(Way(address)),
            instance,
            serving,
        }
    }

    pub fn node(&self) -> Node {
        Node {
            id: format!("node-{}", self.address.port()),
            instance: self.instance,
            connect: self.way.clone(),
        }
    }

    /// Ends it with its connections, as a kill does.
    pub async fn kill(self) {
        self.serving.abort();
        let _cancelled = self.serving.await;
    }

    pub fn last_headers(&self) -> HeaderMap {
        self.seen
            .headers
            .lock()
            .expect("not poisoned")
            .last()
            .cloned()
            .expect("it was called")
    }
}

async fn serve(listener: TcpListener, seen: Arc<Seen>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let seen = seen.clone();
        let service = hyper::service::service_fn(move |request| {
            let seen = seen.clone();
            async move { Ok::<_, Infallible>(answer(seen, request).await) }
        });
        connections.spawn(async move {
            let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ended = http.serve_connection(TokioIo::new(tcp), service).await;
        });
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn answer(seen: Arc<Seen>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    seen.headers.lock().expect("not poisoned").push(head.headers.clone());
    let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let content_type = head.headers["content-type"].clone();
    let mut messages = deframe(body);
    match method.as_str() {
        "Hold" => {
            let cancelled = Cancelled(Some(seen.clone()));
            seen.held.notify_one();
            seen.release.notified().await;
            cancelled.not();
            reply(content_type, [Bytes::from_static(b"{\"held\":true}")], None)
        }
        "Fail" => failed(
            content_type,
            &Error::new(Kind::Conflict, "greeter.Greeter.Fail", "100% taken").into(),
        ),
        "Nope" => failed(
            content_type,
            &Status::plain(micro_rpc::Code::UNIMPLEMENTED, "unknown service Greeter.Nope"),
        ),
        "Early" => failed(content_type, &Error::new(Kind::TooLarge, "greeter", "enough").into()),
        "Many" => {
            let message = messages.next().await.and_then(Result::ok).unwrap_or_default();
            reply(content_type, std::iter::repeat_n(message, 3), None)
        }
        "Break" => {
            let message = messages.next().await.and_then(Result::ok).unwrap_or_default();
            reply(
                content_type,
                [message],
                Some(Error::new(Kind::Conflict, "greeter", "it broke").into()),
            )
        }
        "Count" => {
            let (mut count, mut bytes) = (0, 0);
            while let Some(Ok(message)) = messages.next().await {
                (count, bytes) = (count + 1, bytes + message.len());
            }
            reply(
                content_type,
                [format!("{{\"count\":{count},\"bytes\":{bytes}}}").into()],
                None,
            )
        }
        _ => {
            let message = messages.next().await.and_then(Result::ok).unwrap_or_default();
            reply(content_type, [message], None)
        }
    }
}

struct Cancelled(Option<Arc<Seen>>);

impl Cancelled {
    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(seen) = &self.0 {
            seen.cancelled.notify_one();
        }
    }
}

fn reply(
    content_type: HeaderValue,
    messages: impl IntoIterator<Item = Bytes>,
    error: Option<Status>,
) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    match error {
        Some(status) => status.write(&mut trailers),
        None => drop(trailers.insert("grpc-status", HeaderValue::from_static("0"))),
    }
    let frames: Vec<_> = messages
        .into_iter()
        .map(|m| Frame::data(frame(&m)))
        .chain([Frame::trailers(trailers)])
        .collect();
    let body = StreamBody::new(futures::stream::iter(frames).map(Ok));
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert("content-type", content_type);
    response
}

fn failed(content_type: HeaderValue, status: &Status) -> Response<Body> {
    let mut response = Response::new(http_body_util::Empty::new().boxed_unsync());
    status.write(response.headers_mut());
    response.headers_mut().insert("content-type", content_type);
    response
}

/// Accepts one connection and never says a word on it.
pub async fn silent() -> (SocketAddr, oneshot::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (send, receive) = oneshot::channel();
    tokio::spawn(async move {
        if let Ok((tcp, _)) = listener.accept().await {
            let _held = send.send(tcp);
        }
    });
    (address, receive)
}

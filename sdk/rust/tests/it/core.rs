//! The core, played: it registers services, gives tokens, keeps records and configuration, passes events and
//! messages on, and sends calls to the services that registered.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

pub type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// What the core knows.
#[derive(Default)]
pub struct State {
    /// Registrations so far, by name: the last one, and how many.
    pub registered: BTreeMap<String, (Value, usize)>,
    pub deregistered: Vec<String>,
    pub records: BTreeMap<(String, String), Value>,
    pub config: BTreeMap<String, String>,
    pub tokens: usize,
    /// For how many seconds a token is good; ten minutes where it is zero.
    pub token_life: u64,
    /// Tokens that are not good any more.
    pub revoked: Vec<String>,
    /// Each call's path and headers.
    pub calls: Vec<(String, HeaderMap)>,
    /// Events that wait for the consumer, and what it said to each.
    pub events: VecDeque<Value>,
    pub acks: Vec<(String, bool)>,
    /// What consumers asked for.
    pub consumed: Vec<Value>,
    /// Paths that nobody may call.
    pub denied: Vec<&'static str>,
    pub published: Vec<(String, Value)>,
    /// Files on their way: key, and the pieces that have come.
    pub uploads: BTreeMap<String, (String, Vec<String>)>,
    pub files: BTreeMap<String, Vec<String>>,
    /// What the sender of each has counted.
    pub digests: BTreeMap<String, String>,
    /// How many more calls about files break off.
    pub breaks: usize,
    /// How often the store is not back yet when it is asked what it has of a file on its way.
    pub away: usize,
    /// Writes so far: the last is a record's version.
    pub versions: BTreeMap<(String, String), u64>,
}

#[derive(Clone)]
pub struct Core {
    pub address: SocketAddr,
    pub state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
    hang_up: watch::Sender<()>,
}

impl Core {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let core = Self {
            address: listener.local_addr().expect("bound"),
            state: Arc::default(),
            changed: watch::Sender::new(()),
            hang_up: watch::Sender::new(()),
        };
        tokio::spawn(core.clone().serve(listener));
        core
    }

    /// Ends all connections, as a server that is started anew does.
    pub fn hang_up(&self) {
        self.hang_up.send_replace(());
    }

    pub fn know<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let known = look(&mut self.state.lock().expect("whole"));
        self.changed.send_replace(());
        known
    }

    /// Waits until the core knows what is asked for.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                let found = look(&mut self.state.lock().expect("whole"));
                if let Some(found) = found {
                    return found;
                }
                changed.changed().await.expect("the core lives");
            }
        };
        let patience = std::time::Duration::from_secs(10);
        tokio::time::timeout(patience, found)
            .await
            .unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (core, mut over) = (self.clone(), self.hang_up.subscribe());
            connections.spawn(async move {
                let answer = service_fn(move |request| {
                    let core = core.clone();
                    async move { Ok::<_, Infallible>(core.answer(request).await) }
                });
                let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::select! {
                    _ = http2.serve_connection(TokioIo::new(stream), answer) => (),
                    _ = over.changed() => (),
                }
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let headers = request.headers().clone();
        self.know(|s| s.calls.push((path.clone(), headers.clone())));
        let token = headers
            .get("authorization")
            .and_then(|t| t.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        if self.know(|s| s.revoked.iter().any(|r| token.ends_with(r.as_str()))) {
            return reply(Err((16, 401, "auth", "token expired")));
        }
        if self.know(|s| s.denied.contains(&path.as_str())) {
            return reply(Err((7, 403, "auth", "not for you")));
        }
        if let Some(node) = self.node(&path) {
            return forward(node, request).await;
        }
        let mut body = Messages {
            body: request.into_body(),
            held: vec![],
        };
        let first = body.next().await.unwrap_or(Value::Null);
        match path.as_str() {
            "/store.Store/List" => reply_many(self.list(&first)),
            "/events.Stream/Consume" => {
                self.know(|s| s.consumed.push(first));
                self.consume(body)
            }
            "/store.Blobs/Send" => {
                let mut parts = vec![first];
                while let Some(part) = body.next().await {
                    parts.push(part);
                }
                reply(self.know(|s| s.send(&parts)))
            }
            "/store.Blobs/Fetch" => self.know(|s| s.fetch(&first)),
            "/broker.Broker/Subscribe" => {
                let message = json!({ "header": { "from": "ada" }, "body": first["topic"].as_str().map(|t| base64(&format!("{t:?}"))) });
                reply_many(vec![message])
            }
            _ => reply(self.ask(&path, &first)),
        }
    }

    /// Where the service of a path listens, if it is one that registered.
    fn node(&self, path: &str) -> Option<SocketAddr> {
        let name = path.strip_prefix('/')?.split('.').next()?;
        let registered = self.know(|s| s.registered.get(name).cloned())?;
        text(&registered.0["nodes"][0]["address"]).parse().ok()
    }

    fn ask(&self, path: &str, ask: &Value) -> Result<Value, Refused> {
        self.know(|s| match path {
            "/registry.Registry/Register" => {
                let known = s.registered.entry(text(&ask["name"])).or_insert((Value::Null, 0));
                *known = (ask.clone(), known.1 + 1);
                Ok(json!({}))
            }
            "/registry.Registry/Deregister" => {
                s.deregistered.push(text(&ask["name"]));
                Ok(json!({}))
            }
            "/auth.Auth/Token" => {
                assert_eq!(
                    (text(&ask["id"]), text(&ask["secret"])),
                    ("greeter-1".into(), "hush".into())
                );
                s.tokens += 1;
                let life = if s.token_life == 0 { 600 } else { s.token_life };
                let expiry = unix_now() + life;
                Ok(json!({ "token": { "access_token": format!("token-{}", s.tokens), "expiry": expiry.to_string() } }))
            }
            "/store.Store/Write" => {
                s.records
                    .insert(place(&ask["options"], &ask["record"]["key"]), ask["record"].clone());
                Ok(json!({}))
            }
            "/store.Store/Read" if ask["options"]["prefix"] == true => {
                let (table, prefix) = place(&ask["options"], &ask["key"]);
                let found = s
                    .records
                    .iter()
                    .filter(|((t, k), _)| *t == table && k.starts_with(&prefix));
                Ok(json!({ "records": found.map(|(_, r)| r).collect::<Vec<_>>() }))
            }
            "/store.Store/Read" => match s.records.get(&place(&ask["options"], &ask["key"])) {
                Some(record) => Ok(json!({ "records": [record] })),
                None => Err((5, 404, "store.Store.Read", "Not found")),
            },
            "/store.Store/Delete" => {
                s.records.remove(&place(&ask["options"], &ask["key"]));
                Ok(json!({}))
            }
            "/store.Records/Get" => match s.records.get(&place(ask, &ask["key"])) {
                Some(record) => {
                    let version = s.versions.get(&place(ask, &ask["key"])).copied().unwrap_or(1);
                    Ok(json!({ "record": record, "version": version.to_string() }))
                }
                None => Err((5, 404, "store.Records.Get", "not found")),
            },
            "/store.Records/Update" => {
                let place = place(&ask["options"], &ask["record"]["key"]);
                let version = s.versions.entry(place.clone()).or_default();
                if text(&ask["expect_version"]) != version.to_string() {
                    return Err((9, 409, "store.Records.Update", "changed"));
                }
                *version += 1;
                let answer = json!({ "version": version.to_string() });
                s.records.insert(place, ask["record"].clone());
                Ok(answer)
            }
            "/store.Blobs/Begin" => {
                let id = format!("upload-{}", s.uploads.len());
                s.uploads.insert(id.clone(), (text(&ask["key"]), vec![]));
                Ok(json!({ "upload": id }))
            }
            "/store.Blobs/Finish" => {
                let (key, pieces) = s.uploads.remove(&text(&ask["upload"])).expect("begun");
                let bytes = size(&pieces).to_string();
                s.digests.insert(key.clone(), text(&ask["sha256"]));
                s.files.insert(key.clone(), pieces);
                Ok(json!({ "key": key, "bytes": bytes, "revision": "r1" }))
            }
            "/store.Blobs/List" if ask["limit"] == "1" && s.away > 0 => {
                s.away -= 1;
                Err(AWAY)
            }
            "/store.Blobs/List" => {
                let after = text(&ask["after"]);
                let files = s.files.iter().filter(|(key, _)| **key > after).take(1);
                let blobs = files.map(|(key, pieces)| json!({ "key": key, "bytes": size(pieces).to_string() }));
                let uploads = s.uploads.iter();
                let uploads = uploads.map(|(id, (_, p))| json!({ "upload": id, "received": size(p).to_string() }));
                Ok(json!({ "blobs": blobs.collect::<Vec<_>>(), "uploads": uploads.collect::<Vec<_>>() }))
            }
            "/store.BlobStore/Delete" => {
                s.files.remove(&text(&ask["key"]));
                Ok(json!({}))
            }
            "/events.Topics/List" => Ok(json!({ "topics": [{ "name": ask["prefix"], "next": "7" }] })),
            "/config.Config/Set" => {
                s.config.insert(text(&ask["path"]), text(&ask["value"]["data"]));
                Ok(json!({}))
            }
            "/config.Config/Get" => match s.config.get(&text(&ask["path"])) {
                Some(data) => Ok(json!({ "value": { "data": data } })),
                None => Err((5, 404, "config.Config.Get", "Not found")),
            },
            "/events.Stream/Publish" | "/broker.Broker/Publish" => {
                s.published.push((text(&ask["topic"]), ask.clone()));
                Ok(json!({}))
            }
            _ => Err((5, 404, "go.micro.client", "service not found")),
        })
    }

    fn list(&self, ask: &Value) -> Vec<Value> {
        let (table, prefix) = place(&ask["options"], &ask["options"]["prefix"]);
        self.know(|s| {
            let keys = s.records.keys().filter(|(t, k)| *t == table && k.starts_with(&prefix));
            keys.map(|(_, key)| json!({ "keys": [key] })).collect()
        })
    }

    /// One event after the other: the next one when the last was answered; a refused one again.
    fn consume(self, mut body: Messages) -> Response<Body> {
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let event = self.until("an event", |s| s.events.front().cloned()).await;
                if send.send(event.clone()).await.is_err() {
                    return;
                }
                let Some(ack) = body.next().await else { return };
                let success = ack["success"] == true;
                self.know(|s| {
                    s.acks.push((text(&ack["id"]), success));
                    if success {
                        s.events.pop_front();
                    }
                });
            }
        });
        Response::new(
            Replies {
                messages: receive,
                ended: false,
            }
            .map_err(|never| match never {})
            .boxed_unsync(),
        )
    }
}

/// A call as it came, to where the service is.
async fn forward(node: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let stream = TcpStream::connect(node).await.expect("it listens");
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    match sender.send_request(request).await {
        Ok(response) => response.map(BodyExt::boxed_unsync),
        Err(_) => reply(Err((14, 503, "go.micro.client", "the node has gone"))),
    }
}

fn unix_now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    since.as_secs()
}

/// The messages of a body that may stay open.
struct Messages {
    body: Incoming,
    held: Vec<u8>,
}

impl Messages {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((head, rest)) = self.held.split_at_checked(5) {
                let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
                if rest.len() >= length {
                    let message = serde_json::from_slice(&rest[..length]).ok();
                    self.held.drain(..5 + length);
                    return message;
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.held.extend_from_slice(&frame.into_data().ok()?);
        }
    }
}

/// Why the core refuses: its gRPC code, Micro's code, whose error it is, and its words.
type Refused = (u8, u16, &'static str, &'static str);
const AWAY: Refused = (14, 503, "store.Blobs", "away for a moment");

impl State {
    /// Keeps the parts of a file that come next; while it is to break, only the first of a call.
    fn send(&mut self, parts: &[Value]) -> Result<Value, Refused> {
        let id = text(&parts[0]["upload"]);
        let pieces = &mut self.uploads.get_mut(&id).expect("begun").1;
        assert_eq!(text(&parts[0]["offset"]), size(pieces).to_string(), "where it stopped");
        let broken = self.breaks > 0;
        self.breaks = self.breaks.saturating_sub(1);
        let kept = if broken { 1 } else { parts.len() };
        pieces.extend(parts.iter().take(kept).map(|part| text(&part["data"])));
        match broken {
            true => Err(AWAY),
            false => Ok(json!({ "upload": id, "received": size(pieces).to_string() })),
        }
    }

    /// A file from somewhere on; while it is to break, only its first part.
    fn fetch(&mut self, ask: &Value) -> Response<Body> {
        let key = text(&ask["key"]);
        let Some(pieces) = self.files.get(&key) else {
            return reply(Err((5, 404, "store.Blobs.Fetch", "Blob not found")));
        };
        let offset: u64 = text(&ask["offset"]).parse().expect("a number");
        let mut passed = 0;
        let rest = pieces.iter().skip_while(|piece| {
            passed += size(std::slice::from_ref(piece));
            passed <= offset
        });
        let head = json!({ "blob": { "key": key, "bytes": size(pieces).to_string(), "revision": "r1" } });
        let mut messages = vec![head];
        messages.extend(rest.map(|data| json!({ "data": data })));
        if self.breaks == 0 {
            return reply_many(messages);
        }
        self.breaks -= 1;
        messages.truncate(2);
        reply_then(messages, refused(AWAY))
    }
}

/// How many bytes pieces of base64 have.
fn size(pieces: &[String]) -> u64 {
    let bytes = |piece: &String| piece.len() / 4 * 3 - piece.bytes().filter(|b| *b == b'=').count();
    pieces.iter().map(bytes).sum::<usize>() as u64
}

struct Replies {
    messages: mpsc::Receiver<Value>,
    ended: bool,
}

impl hyper::body::Body for Replies {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ended {
            return std::task::Poll::Ready(None);
        }
        self.messages.poll_recv(cx).map(|next| match next {
            Some(message) => Some(Ok(Frame::data(frame(&message)))),
            None => {
                self.ended = true;
                Some(Ok(Frame::trailers(status(0))))
            }
        })
    }
}

fn reply(answer: Result<Value, Refused>) -> Response<Body> {
    match answer {
        Ok(answer) => reply_many(vec![answer]),
        Err(error) => {
            let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
            *response.status_mut() = StatusCode::OK;
            *response.headers_mut() = refused(error);
            response
        }
    }
}

fn reply_many(messages: Vec<Value>) -> Response<Body> {
    reply_then(messages, status(0))
}

fn reply_then(messages: Vec<Value>, end: HeaderMap) -> Response<Body> {
    let frames: Vec<u8> = messages.iter().flat_map(frame).collect();
    let trailers = std::future::ready(Some(Ok(end)));
    let body = Full::new(Bytes::from(frames)).with_trailers(trailers);
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

fn refused((grpc, code, id, detail): Refused) -> HeaderMap {
    let error = json!({ "Id": id, "Code": code, "Detail": detail, "Status": "" });
    let mut end = status(grpc);
    end.insert("grpc-message", error.to_string().parse().expect("plain"));
    end
}

fn status(code: u8) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().expect("a name"), u16::from(code).into())])
}

pub fn frame(message: &Value) -> Bytes {
    let json = message.to_string();
    let mut frame = vec![0];
    frame.extend((json.len() as u32).to_be_bytes());
    frame.extend(json.bytes());
    frame.into()
}

fn place(options: &Value, key: &Value) -> (String, String) {
    assert_eq!(options["database"], "amber", "records belong to the namespace");
    (text(&options["table"]), text(key))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// For values whose length is a multiple of three, so that the tests need no padding of their own.
pub fn base64(plain: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(plain.len() % 3, 0, "{plain:?}");
    let sixes = plain.as_bytes().chunks(3).flat_map(|c| {
        let bits = u32::from_be_bytes([0, c[0], c[1], c[2]]);
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
    });
    sixes.collect()
}

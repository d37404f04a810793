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
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the core knows.
#[derive(Default)]
pub struct State {
    /// Registrations so far, by name: the last one, and how many.
    pub registered: BTreeMap<String, (Value, usize)>,
    pub deregistered: Vec<String>,
    pub records: BTreeMap<(String, String), Value>,
    pub config: BTreeMap<String, String>,
    pub tokens: usize,
    /// Tokens that are not good any more.
    pub revoked: Vec<String>,
    /// Each call's path and headers.
    pub calls: Vec<(String, HeaderMap)>,
    /// Events that wait for the consumer, and what it said to each.
    pub events: VecDeque<Value>,
    pub acks: Vec<(String, bool)>,
    pub published: Vec<(String, Value)>,
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
        let mut body = request.into_body();
        let first = message(&mut body).await.unwrap_or(Value::Null);
        match path.as_str() {
            "/store.Store/List" => reply_many(self.list(&first)),
            "/events.Stream/Consume" => self.consume(body),
            "/broker.Broker/Subscribe" => {
                let message = json!({ "header": { "from": "ada" }, "body": first["topic"].as_str().map(|t| base64(&format!("{t:?}"))) });
                reply_many(vec![message])
            }
            _ => reply(self.ask(&path, &first)),
        }
    }

    fn ask(&self, path: &str, ask: &Value) -> Result<Value, (u8, u16, &'static str, &'static str)> {
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
                Ok(json!({ "token": { "access_token": format!("token-{}", s.tokens), "expiry": "99999999999" } }))
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
    fn consume(self, mut body: Incoming) -> Response<Body> {
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let event = self.until("an event", |s| s.events.front().cloned()).await;
                if send.send(event.clone()).await.is_err() {
                    return;
                }
                let Some(ack) = message(&mut body).await else { return };
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
            .boxed_unsync(),
        )
    }
}

/// One message of a body that stays open.
async fn message(body: &mut Incoming) -> Option<Value> {
    let mut held = vec![];
    loop {
        if held.len() >= 5 && held.len() >= 5 + u32::from_be_bytes([held[1], held[2], held[3], held[4]]) as usize {
            return serde_json::from_slice(&held[5..]).ok();
        }
        held.extend_from_slice(&body.frame().await?.ok()?.into_data().ok()?);
    }
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

fn reply(answer: Result<Value, (u8, u16, &str, &str)>) -> Response<Body> {
    match answer {
        Ok(answer) => reply_many(vec![answer]),
        Err((grpc, code, id, detail)) => {
            let error = json!({ "Id": id, "Code": code, "Detail": detail, "Status": "" });
            let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
            *response.status_mut() = StatusCode::OK;
            *response.headers_mut() = status(grpc);
            response
                .headers_mut()
                .insert("grpc-message", error.to_string().parse().expect("plain"));
            response
        }
    }
}

fn reply_many(messages: Vec<Value>) -> Response<Body> {
    let frames: Vec<u8> = messages.iter().flat_map(frame).collect();
    let trailers = std::future::ready(Some(Ok(status(0))));
    Response::new(Full::new(Bytes::from(frames)).with_trailers(trailers).boxed_unsync())
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

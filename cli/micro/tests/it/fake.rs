//! A server with canned answers, behind the generated traits and real connections. It takes the tokens it gave
//! out, once each for refreshing, and remembers what it was asked.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_error::{Error, Kind};
use micro_proto::{auth, registry, runtime, signup};
use micro_rpc::{Call, Payload, Service, ServiceDescriptor, Status, Streaming, server::Router};
use micro_tenancy::Caller;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{oneshot, watch},
};

use crate::people::People;

/// The namespace of whoever is logged in.
pub const NAMESPACE: &str = "amber-otter-drift";
/// The code that every letter has.
pub const CODE: &str = "da11a78e30171057bc320ec36dcc5a7db5611053";
const PAGE: &str = "http://127.0.0.1:8082/subscribe/abc";
/// A card that pays.
pub const GOOD_PAYMENT: &str = "pt_good";

/// The running server.
pub struct Fake {
    address: SocketAddr,
    state: Arc<State>,
    _runtime: Runtime,
}

/// What it answers, and what it was asked.
pub struct State {
    asked: Mutex<Vec<String>>,
    refresh_tokens: Mutex<Vec<String>>,
    tokens_made: Mutex<u32>,
    expiry: Mutex<i64>,
    pub services: Mutex<Vec<runtime::Service>>,
    pub uploaded: Mutex<Vec<u8>>,
    pub created: Mutex<Option<runtime::CreateRequest>>,
    attempt: watch::Sender<signup::Status>,
    people: People,
}

impl Fake {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let state = Arc::new(State {
            asked: Mutex::default(),
            refresh_tokens: Mutex::default(),
            tokens_made: Mutex::default(),
            expiry: Mutex::new(i64::MAX),
            services: Mutex::default(),
            uploaded: Mutex::default(),
            created: Mutex::default(),
            attempt: watch::Sender::new(signup::Status {
                state: "payment_pending".into(),
                message: String::new(),
            }),
            people: People::new(),
        });
        let router = Arc::new(router(&state));
        let (tell, told) = oneshot::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("bound")).expect("awaited");
            loop {
                let (socket, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(router.clone(), socket));
            }
        });
        let address = told.blocking_recv().expect("it listens");
        Self {
            address,
            state,
            _runtime: runtime,
        }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it was asked that begins so, in order.
    pub fn asked(&self, beginning: &str) -> Vec<String> {
        let asked = self.state.asked.lock().expect("not poisoned");
        asked.iter().filter(|a| a.starts_with(beginning)).cloned().collect()
    }

    /// Tokens given out from now on run out at this time.
    pub fn expire_at(&self, unix: i64) {
        *self.state.expiry.lock().expect("not poisoned") = unix;
    }

    /// No refresh token is good any more.
    pub fn revoke_all(&self) {
        self.state.refresh_tokens.lock().expect("not poisoned").clear();
    }

    /// The subscribe page moves the attempt on.
    pub fn attempt_is(&self, state: &str, message: &str) {
        self.state.attempt.send_replace(signup::Status {
            state: state.into(),
            message: message.into(),
        });
    }
}

async fn serve(router: Arc<Router>, socket: tokio::net::TcpStream) {
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let router = router.clone();
        async move {
            let header = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
            let bearer = header("authorization").and_then(|v| v.strip_prefix("Bearer "));
            let caller = Caller::anonymous();
            let caller = match bearer {
                Some(token) => caller.with_bearer(SecretString::from(token.to_owned())),
                None => caller,
            };
            let service = request
                .uri()
                .path()
                .split(['/', '.'])
                .nth(1)
                .unwrap_or_default()
                .to_owned();
            if !router.serves(&service) {
                let missing = format!("service {service}: route not found");
                let error = Error::new(Kind::Internal, "go.micro.client", missing);
                let codec = micro_rpc::Codec::Proto;
                return Ok::<_, Infallible>(micro_rpc::server::respond(codec, "", Err(error.into())));
            }
            Ok::<_, Infallible>(router.answer(caller, request).await)
        }
    });
    // A command that ends closes its connection in whatever way.
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

fn router(state: &Arc<State>) -> Router {
    let people = Arc::new(state.people.clone());
    let [network, figures] = crate::network::services();
    let kept = crate::kept::services().into_iter();
    kept.fold(Router::default(), Router::with)
        .with(network)
        .with_name("greeter", figures.clone())
        .with_name("store", figures)
        .with(Arc::new(auth::AuthServer::new(state.clone())))
        .with(Arc::new(auth::AccountsServer::new(people.clone())))
        .with(Arc::new(auth::RulesServer::new(people)))
        .with(Arc::new(auth::SessionsServer::new(state.clone())))
        .with(Arc::new(registry::RegistryServer::new(state.clone())))
        .with(Arc::new(runtime::RuntimeServer::new(state.clone())))
        .with(Arc::new(runtime::SourceServer::new(state.clone())))
        .with(Arc::new(runtime::ReleasesServer::new(state.clone())))
        .with(Arc::new(signup::SessionServer::new(state.clone())))
        .with(Arc::new(Greeter))
}

fn refused<T>(kind: Kind, id: &str, words: &str) -> Result<T, Error> {
    Err(Error::new(kind, id, words))
}

impl State {
    fn note(&self, what: String) {
        self.asked.lock().expect("not poisoned").push(what);
    }

    /// A token nobody has yet; its refresh token is good once.
    fn token(&self) -> auth::Token {
        let mut made = self.tokens_made.lock().expect("not poisoned");
        *made += 1;
        let refresh_token = format!("refresh-{made}");
        self.refresh_tokens
            .lock()
            .expect("not poisoned")
            .push(refresh_token.clone());
        let expiry = *self.expiry.lock().expect("not poisoned");
        auth::Token {
            access_token: format!("access-{made}"),
            refresh_token,
            created: 0,
            expiry,
        }
    }

    fn signup_token(&self) -> signup::AuthToken {
        let t = self.token();
        signup::AuthToken {
            access_token: t.access_token,
            refresh_token: t.refresh_token,
            created: t.created,
            expiry: t.expiry,
        }
    }
}

pub fn known(caller: &Caller) -> Result<(), Error> {
    match caller.bearer() {
        Some(token) if token.expose_secret().starts_with("access-") => Ok(()),
        _ => refused(Kind::Unauthenticated, "fake", "An account is required"),
    }
}

#[async_trait]
impl auth::Auth for State {
    async fn generate(&self, caller: &Caller, request: auth::GenerateRequest) -> Result<auth::GenerateResponse, Error> {
        self.people.generate(caller, request).await
    }

    async fn inspect(&self, _: &Caller, request: auth::InspectRequest) -> Result<auth::InspectResponse, Error> {
        if !request.token.starts_with("access-") {
            return refused(Kind::Invalid, "auth.Auth.Inspect", "invalid token provided");
        }
        let account = auth::Account {
            id: "ada-id".into(),
            name: "ada@example.com".into(),
            issuer: NAMESPACE.into(),
            ..Default::default()
        };
        Ok(auth::InspectResponse { account: Some(account) })
    }

    async fn token(&self, _: &Caller, request: auth::TokenRequest) -> Result<auth::TokenResponse, Error> {
        let namespace = request.options.unwrap_or_default().namespace;
        self.note(format!(
            "token id={} refresh={} ns={namespace}",
            request.id, request.refresh_token
        ));
        if !request.refresh_token.is_empty() {
            let mut good = self.refresh_tokens.lock().expect("not poisoned");
            match good.iter().position(|t| *t == request.refresh_token) {
                Some(at) => drop(good.remove(at)),
                None => return refused(Kind::Invalid, "auth.Auth.Token", "invalid token provided"),
            }
        } else if request.id != "ada@example.com" {
            return refused(Kind::Invalid, "auth.Auth.Token", "Account not found with this ID");
        } else if request.secret != "secret" {
            return refused(Kind::Invalid, "auth.Auth.Token", "Secret not correct");
        }
        Ok(auth::TokenResponse {
            token: Some(self.token()),
        })
    }
}

#[async_trait]
impl auth::Sessions for State {
    async fn start(&self, _: &Caller, _: auth::StartSessionRequest) -> Result<auth::StartSessionResponse, Error> {
        refused(Kind::Forbidden, "internal", "Access denied")
    }

    async fn seal(&self, _: &Caller, _: auth::SealSecretRequest) -> Result<auth::SealSecretResponse, Error> {
        refused(Kind::Forbidden, "internal", "Access denied")
    }

    async fn ensure(&self, _: &Caller, _: auth::EnsureAccountRequest) -> Result<auth::EnsureAccountResponse, Error> {
        refused(Kind::Forbidden, "internal", "Access denied")
    }

    async fn end(&self, caller: &Caller, _: auth::EndSessionRequest) -> Result<auth::EndSessionResponse, Error> {
        known(caller)?;
        self.note(format!(
            "end {}",
            caller.bearer().map(|t| t.expose_secret()).unwrap_or_default()
        ));
        Ok(auth::EndSessionResponse {})
    }
}

#[async_trait]
impl registry::Registry for State {
    async fn get_service(
        &self,
        caller: &Caller,
        request: registry::GetRequest,
    ) -> Result<registry::GetResponse, Error> {
        known(caller)?;
        let domain = request.options.unwrap_or_default().domain;
        match (request.service.as_str(), domain.as_str()) {
            ("greeter", NAMESPACE) => Ok(registry::GetResponse {
                services: vec![greeter()],
                ..Default::default()
            }),
            // The core's have no nodes.
            ("store", "micro") => Ok(registry::GetResponse {
                services: vec![registry::Service {
                    name: "store".into(),
                    version: "latest".into(),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            (_, NAMESPACE) => refused(Kind::NotFound, "registry.Registry.GetService", "not found"),
            _ => refused(
                Kind::Forbidden,
                "registry.Registry.GetService",
                "Access denied to namespace",
            ),
        }
    }

    async fn register(&self, _: &Caller, _: registry::Service) -> Result<registry::EmptyResponse, Error> {
        refused(Kind::Unimplemented, "fake", "not here")
    }

    async fn deregister(&self, _: &Caller, _: registry::Service) -> Result<registry::EmptyResponse, Error> {
        refused(Kind::Unimplemented, "fake", "not here")
    }

    async fn list_services(
        &self,
        caller: &Caller,
        request: registry::ListRequest,
    ) -> Result<registry::ListResponse, Error> {
        known(caller)?;
        self.note(format!("list {}", request.options.unwrap_or_default().domain));
        let names = ["store", "greeter", "auth", "greeter"];
        let services = names
            .map(|name| registry::Service {
                name: name.into(),
                ..Default::default()
            })
            .to_vec();
        Ok(registry::ListResponse {
            services,
            ..Default::default()
        })
    }

    async fn watch(&self, _: &Caller, _: registry::WatchRequest) -> Result<Streaming<registry::Result>, Error> {
        refused(Kind::Unimplemented, "fake", "not here")
    }
}

fn greeter() -> registry::Service {
    let field = |name: &str, kind: &str, values| registry::Value {
        name: name.into(),
        r#type: kind.into(),
        values,
    };
    let endpoint = |name: &str, fields, stream: bool| registry::Endpoint {
        name: name.into(),
        request: Some(field("Request", "Request", fields)),
        response: None,
        metadata: stream
            .then(|| ("stream".to_owned(), "true".to_owned()))
            .into_iter()
            .collect(),
    };
    registry::Service {
        name: "greeter".into(),
        version: "latest".into(),
        endpoints: vec![
            endpoint("Greeter.Stream", vec![field("count", "int64", vec![])], true),
            endpoint(
                "Greeter.Hello",
                vec![
                    field("name", "string", vec![]),
                    field(
                        "options",
                        "Options",
                        vec![field("loud", "bool", vec![]), field("max_words", "int64", vec![])],
                    ),
                ],
                false,
            ),
            endpoint("Greeter.Pay", vec![], false),
        ],
        nodes: ["greeter-1", "greeter-2"].map(crate::network::node).to_vec(),
        ..Default::default()
    }
}

/// The service that is called: it says what it was sent.
struct Greeter;

static GREETER: ServiceDescriptor = ServiceDescriptor {
    package: "greeter",
    name: "Greeter",
    methods: &[],
};

#[async_trait]
impl Service for Greeter {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &GREETER
    }

    async fn call(&self, call: Call) -> Result<Payload, Status> {
        let namespace = call
            .caller
            .metadata()
            .get("micro-namespace")
            .cloned()
            .unwrap_or_default();
        let sent = call.payload.frames().next().await.expect("a request")?;
        let sent = String::from_utf8_lossy(&sent).into_owned();
        match call.method.as_str() {
            "Hello" => Ok(Payload::One(
                format!(r#"{{"msg":"Hello","sent":{sent},"ns":"{namespace}"}}"#).into(),
            )),
            "Stream" => Ok(Payload::Many(Box::pin(stream::iter(
                (1..=2).map(|n| Ok(format!(r#"{{"n":{n}}}"#).into())),
            )))),
            "Pay" => Err(Error::new(
                Kind::PaymentRequired,
                "billing",
                "Payment is required. See https://example.com/pay",
            )
            .into()),
            "Slow" => Err(Error::new(Kind::Timeout, "greeter", "context deadline exceeded").into()),
            other => Err(Status::plain(
                micro_rpc::Code::UNIMPLEMENTED,
                format!("unknown service Greeter.{other}"),
            )),
        }
    }
}

#[async_trait]
impl runtime::Runtime for State {
    async fn create(&self, caller: &Caller, request: runtime::CreateRequest) -> Result<runtime::CreateResponse, Error> {
        known(caller)?;
        *self.created.lock().expect("not poisoned") = Some(request);
        Ok(runtime::CreateResponse {})
    }

    async fn read(&self, caller: &Caller, request: runtime::ReadRequest) -> Result<runtime::ReadResponse, Error> {
        known(caller)?;
        let wanted = request.options.unwrap_or_default().service;
        let mut services = self.services.lock().expect("not poisoned").clone();
        services.retain(|s| wanted.is_empty() || s.name == wanted);
        Ok(runtime::ReadResponse { services })
    }

    async fn delete(&self, caller: &Caller, request: runtime::DeleteRequest) -> Result<runtime::DeleteResponse, Error> {
        known(caller)?;
        let service = request.resource.unwrap_or_default().service.unwrap_or_default();
        let mut services = self.services.lock().expect("not poisoned");
        let before = services.len();
        services.retain(|s| (&s.name, &s.version) != (&service.name, &service.version));
        match services.len() == before {
            true => refused(Kind::NotFound, "runtime.Runtime.Delete", "not found"),
            false => Ok(runtime::DeleteResponse {}),
        }
    }

    async fn update(&self, caller: &Caller, request: runtime::UpdateRequest) -> Result<runtime::UpdateResponse, Error> {
        known(caller)?;
        let service = request.resource.unwrap_or_default().service.unwrap_or_default();
        self.note(format!(
            "update {} {} {}",
            service.name, service.version, service.source
        ));
        Ok(runtime::UpdateResponse {})
    }

    async fn logs(
        &self,
        caller: &Caller,
        request: runtime::LogsRequest,
    ) -> Result<Streaming<runtime::LogRecord>, Error> {
        known(caller)?;
        self.note(format!(
            "logs {} stream={} count={} version={}",
            request.service, request.stream, request.count, request.version
        ));
        if request.service != "greeter" {
            return refused(Kind::NotFound, "runtime.Runtime.Logs", "Logs not found for service");
        }
        let line = |n: i64| runtime::LogRecord {
            timestamp: n * 1_000,
            metadata: Default::default(),
            message: format!("line {n}"),
        };
        Ok(Box::pin(stream::iter((1..=2).map(move |n| Ok(line(n))))))
    }
}

#[async_trait]
impl runtime::Source for State {
    async fn upload(
        &self,
        caller: &Caller,
        mut request: Streaming<runtime::UploadRequest>,
    ) -> Result<runtime::UploadResponse, Error> {
        known(caller)?;
        let mut bytes = Vec::new();
        let mut name = String::new();
        while let Some(part) = request.next().await {
            let part = part?;
            name = part.service.map_or(name, |s| s.name);
            bytes.extend(part.data);
        }
        *self.uploaded.lock().expect("not poisoned") = bytes;
        Ok(runtime::UploadResponse {
            id: format!("source://{name}:latest"),
        })
    }
}

#[async_trait]
impl runtime::Releases for State {
    async fn watch(
        &self,
        caller: &Caller,
        request: runtime::WatchRequest,
    ) -> Result<Streaming<runtime::ReleaseEvent>, Error> {
        known(caller)?;
        let event = |status, line: &str, error: &str| {
            Ok(runtime::ReleaseEvent {
                release: 1,
                status,
                line: line.into(),
                error: error.into(),
                timestamp: 0,
            })
        };
        let end = match request.service.as_str() {
            "echoing" => event(7, "", "   Compiling it"),
            "broken" => event(7, "", "Error building service: could not compile `broken`"),
            _ => event(4, "", ""),
        };
        let events = [
            event(1, "", ""),
            event(2, "", ""),
            event(2, "   Compiling it", ""),
            event(3, "", ""),
            end,
        ];
        Ok(Box::pin(stream::iter(events)))
    }
}

#[async_trait]
impl signup::Session for State {
    async fn start(&self, _: &Caller, request: signup::StartRequest) -> Result<signup::StartResponse, Error> {
        self.note(format!("start {}", request.email));
        Ok(signup::StartResponse {
            secret: request.email,
            expires_at: 0,
        })
    }

    async fn confirm(&self, _: &Caller, request: signup::ConfirmRequest) -> Result<signup::ConfirmResponse, Error> {
        if request.code != CODE {
            return refused(Kind::Forbidden, "signup", "the token you provided is invalid");
        }
        if request.secret == "known@example.com" {
            return Ok(signup::ConfirmResponse {
                known: true,
                token: Some(self.signup_token()),
                namespace: NAMESPACE.into(),
                ..Default::default()
            });
        }
        Ok(signup::ConfirmResponse {
            payment_required: true,
            subscribe_url: PAGE.into(),
            price: "$35/month".into(),
            ..Default::default()
        })
    }

    async fn watch(&self, _: &Caller, _: signup::WatchRequest) -> Result<Streaming<signup::Status>, Error> {
        let states = stream::unfold((self.attempt.subscribe(), true), |(mut states, first)| async move {
            if !first {
                states.changed().await.ok()?;
            }
            let status = states.borrow_and_update().clone();
            Some((Ok(status), (states, false)))
        });
        Ok(Box::pin(states))
    }

    async fn complete(&self, _: &Caller, request: signup::CompleteRequest) -> Result<signup::CompleteResponse, Error> {
        self.note(format!(
            "complete {} {} {}",
            request.secret, request.password, request.payment_token
        ));
        let known = request.secret == "known@example.com";
        let stored = self.attempt.borrow().state == "card_stored";
        if request.password == "weak" {
            let words = "Choose a password of at least 8 characters";
            return refused(Kind::Invalid, "signup.password", words);
        }
        match request.payment_token.as_str() {
            "" if known || stored => {}
            GOOD_PAYMENT => {}
            "" => {
                let words = format!("Payment is required. Please enter your card at {PAGE}");
                return refused(Kind::PaymentRequired, "signup.card", &words);
            }
            _ => {
                let message = "Your card was declined.".to_owned();
                self.attempt.send_replace(signup::Status {
                    state: "payment_pending".into(),
                    message: message.clone(),
                });
                return refused(Kind::PaymentRequired, "billing.declined", &message);
            }
        }
        Ok(signup::CompleteResponse {
            token: Some(self.signup_token()),
            namespace: NAMESPACE.into(),
        })
    }
}

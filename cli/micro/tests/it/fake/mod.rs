//! A server with canned answers, behind the generated traits and real connections. It takes the tokens it gave
//! out, once each for refreshing, and remembers what it was asked.

mod auth;
mod greeter;
mod registry;
mod runtime;
mod signup;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro_error::{Error, Kind};
use micro_proto as wire;
use micro_rpc::server::Router;
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
    pub services: Mutex<Vec<wire::runtime::Service>>,
    pub uploaded: Mutex<Vec<u8>>,
    pub created: Mutex<Option<wire::runtime::CreateRequest>>,
    attempt: watch::Sender<wire::signup::Status>,
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
            attempt: watch::Sender::new(wire::signup::Status {
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
        self.state.attempt.send_replace(wire::signup::Status {
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
        .with(Arc::new(wire::auth::AuthServer::new(state.clone())))
        .with(Arc::new(wire::auth::AccountsServer::new(people.clone())))
        .with(Arc::new(wire::auth::RulesServer::new(people)))
        .with(Arc::new(wire::auth::SessionsServer::new(state.clone())))
        .with(Arc::new(wire::registry::RegistryServer::new(state.clone())))
        .with(Arc::new(wire::runtime::RuntimeServer::new(state.clone())))
        .with(Arc::new(wire::runtime::SourceServer::new(state.clone())))
        .with(Arc::new(wire::runtime::ReleasesServer::new(state.clone())))
        .with(Arc::new(wire::signup::SessionServer::new(state.clone())))
        .with(Arc::new(greeter::Greeter))
}

fn refused<T>(kind: Kind, id: &str, words: &str) -> Result<T, Error> {
    Err(Error::new(kind, id, words))
}

impl State {
    fn note(&self, what: String) {
        self.asked.lock().expect("not poisoned").push(what);
    }

    /// A token nobody has yet; its refresh token is good once.
    fn token(&self) -> wire::auth::Token {
        let mut made = self.tokens_made.lock().expect("not poisoned");
        *made += 1;
        let refresh_token = format!("refresh-{made}");
        self.refresh_tokens
            .lock()
            .expect("not poisoned")
            .push(refresh_token.clone());
        let expiry = *self.expiry.lock().expect("not poisoned");
        wire::auth::Token {
            access_token: format!("access-{made}"),
            refresh_token,
            created: 0,
            expiry,
        }
    }

    fn signup_token(&self) -> wire::signup::AuthToken {
        let t = self.token();
        wire::signup::AuthToken {
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

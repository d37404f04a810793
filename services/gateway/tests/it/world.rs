//! Open doors with fakes behind them: two tenants, Ada and Bob, and whoever a test puts on the routes.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt;
use micro_client::{Client, Endpoint};
use micro_clock::{Clock, Ids, TestClock};
use micro_domain::{AccountId, InstanceId, Limit, Limits, Namespace, NamespaceId, NamespaceName};
use micro_error::{Error, Kind};
use micro_gateway::{FindNamespace, Gateway, GatewayConfig, Hop, InspectToken, Leadership, Metrics, Ports};
use micro_limits::MemoryLimiter;
use micro_proto::{
    auth::{self, Auth, AuthServer},
    signup::{self, Session, SessionServer, Signup, SignupServer},
    store::{self, BlobStore, BlobStoreServer, Store, StoreServer},
};
use micro_rpc::{
    Service, Streaming,
    mesh::{Connect, Node, Routes},
};
use micro_tenancy::{
    AccountKind, Authority, Caller, Metadata, Principal, Reach, Verified, Verify,
    rules::{Access, Rule, RuleSet, Rulebook},
    tokens::Exchange,
};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tokio::sync::Notify;

pub fn namespace(name: &str) -> Namespace {
    Namespace::of_local(NamespaceName::parse(name).expect("valid"))
}

pub fn principal(name: &str, reach: Reach) -> Principal {
    Principal {
        namespace: namespace(&format!("{name}-ns")),
        account: AccountId::new(name),
        name: name.to_owned(),
        kind: AccountKind::User,
        scopes: vec!["admin".into()],
        session: None,
        instance: None,
        reach,
    }
}

/// Everything behind the doors.
#[derive(Default)]
pub struct Behind {
    pub clock: TestClock,
    pub nodes: Mutex<HashMap<(NamespaceId, String), Vec<Node>>>,
    pub rules: Mutex<HashMap<NamespaceId, Vec<Rule>>>,
    pub exchanged: AtomicU64,
    /// Tokens that were verified before.
    pub known: Mutex<HashMap<String, Arc<Principal>>>,
    /// All tokens.
    pub revoked: AtomicBool,
    /// Namespaces by name.
    pub looked_for: AtomicU64,
    /// Whether a core handler was entered, and left.
    pub entered: Notify,
    pub left: AtomicU64,
}

/// Tokens are names: `ada` is Ada's, `root` the local administrator's; `for:ada@ada-ns/greeter` is exchanged.
#[async_trait]
impl Verify for Behind {
    async fn verify(&self, token: &str, _: OffsetDateTime) -> Option<Arc<Principal>> {
        if self.revoked.load(Ordering::SeqCst) {
            return None;
        }
        let principal = match token {
            "ada" | "bob" => principal(token, Reach::Own),
            // What Ada's greeter got through its own door.
            "greeter" => Principal {
                instance: Some(InstanceId::new(Ids.random())),
                ..principal("ada", Reach::Own)
            },
            "root" => principal(token, Reach::Local),
            _ => return None,
        };
        let mut known = self.known.lock().expect("not poisoned");
        Some(
            known
                .entry(token.to_owned())
                .or_insert_with(|| Arc::new(principal))
                .clone(),
        )
    }
}

impl InspectToken for Behind {
    fn inspect(&self, token: &str, _: OffsetDateTime) -> Option<Verified> {
        let (who, service) = token.strip_prefix("for:")?.split_once('@')?;
        Some(Verified {
            principal: Arc::new(principal(who, Reach::Own)),
            service: Some(service.to_owned()),
        })
    }
}

#[async_trait]
impl Rulebook for Behind {
    async fn rules(&self, namespace: &Namespace) -> Result<Arc<RuleSet>, Error> {
        let rules = self.rules.lock().expect("not poisoned");
        Ok(Arc::new(RuleSet::new(
            rules
                .get(&namespace.id)
                .cloned()
                .unwrap_or_else(|| vec![rule("*", "*", "*")]),
        )))
    }
}

pub fn rule(scope: &str, name: &str, endpoint: &str) -> Rule {
    Rule {
        id: format!("{scope}-{name}-{endpoint}"),
        scope: scope.into(),
        kind: "service".into(),
        name: name.into(),
        endpoint: endpoint.into(),
        access: Access::Granted,
        priority: 0,
    }
}

impl Exchange for Behind {
    fn exchange(&self, principal: &Principal, service: &str, _: OffsetDateTime) -> SecretString {
        let count = self.exchanged.fetch_add(1, Ordering::Relaxed);
        format!("for:{}@{service}#{count}", principal.account).into()
    }
}

impl Routes for Behind {
    fn nodes(&self, namespace: NamespaceId, service: &str) -> Arc<[Node]> {
        let nodes = self.nodes.lock().expect("not poisoned");
        let nodes = nodes.get(&(namespace, service.to_owned())).cloned().unwrap_or_default();
        nodes
            .into_iter()
            .map(|node| Node {
                connect: Arc::new(Again(node.connect)),
                ..node
            })
            .collect()
    }
}

/// A way that is made anew for every request, as the runtime does.
struct Again(Arc<dyn Connect>);

#[async_trait]
impl Connect for Again {
    async fn connect(&self) -> std::io::Result<tokio::net::TcpStream> {
        self.0.connect().await
    }

    fn key(&self) -> Option<u64> {
        self.0.key()
    }
}

#[async_trait]
impl FindNamespace for Behind {
    async fn find(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        self.looked_for.fetch_add(1, Ordering::SeqCst);
        let known = ["ada-ns", "bob-ns", "micro"].contains(&name.as_str());
        Ok(known.then(|| Namespace::of_local(name.clone())))
    }
}

/// The core, as far as these tests need one.
pub struct Core(pub Arc<Behind>);

#[async_trait]
impl Auth for Core {
    async fn generate(&self, caller: &Caller, _: auth::GenerateRequest) -> Result<auth::GenerateResponse, Error> {
        caller.account()?;
        Ok(auth::GenerateResponse::default())
    }

    async fn inspect(&self, caller: &Caller, _: auth::InspectRequest) -> Result<auth::InspectResponse, Error> {
        let id = caller.principal().map(|p| p.account.to_string()).unwrap_or_default();
        let name = caller
            .bearer()
            .map(|b| b.expose_secret().to_owned())
            .unwrap_or_default();
        Ok(auth::InspectResponse {
            account: Some(auth::Account {
                id,
                name,
                ..Default::default()
            }),
        })
    }

    async fn token(&self, _: &Caller, _: auth::TokenRequest) -> Result<auth::TokenResponse, Error> {
        Ok(auth::TokenResponse::default())
    }
}

#[async_trait]
impl Store for Core {
    async fn read(&self, caller: &Caller, request: store::ReadRequest) -> Result<store::ReadResponse, Error> {
        let tenant = caller.enter("")?;
        match request.key.as_str() {
            "missing" => return Err(Error::new(Kind::NotFound, "store.Store.Read", "not found")),
            "long" => {
                return Ok(store::ReadResponse {
                    records: vec![store::Record {
                        value: vec![b'x'; micro_gateway::bounds::LONG_BYTES + 1],
                        ..Default::default()
                    }],
                });
            }
            "broken" => return Err(Error::internal(std::io::Error::other("hunter2"))),
            "slow" => {
                self.0.entered.notify_one();
                futures::future::pending().await
            }
            "runtime" => {
                let key = format!("{:?}", tokio::runtime::Handle::current().runtime_flavor());
                return Ok(store::ReadResponse {
                    records: vec![store::Record {
                        key,
                        ..Default::default()
                    }],
                });
            }
            "remote" => {
                let key = caller.metadata().get("remote").cloned().unwrap_or_default();
                return Ok(store::ReadResponse {
                    records: vec![store::Record {
                        key,
                        ..Default::default()
                    }],
                });
            }
            _ => {}
        }
        let key = format!("{}/{}", tenant.namespace().name, request.key);
        Ok(store::ReadResponse {
            records: vec![store::Record {
                key,
                ..Default::default()
            }],
        })
    }

    async fn write(&self, _: &Caller, _: store::WriteRequest) -> Result<store::WriteResponse, Error> {
        Ok(store::WriteResponse {})
    }

    async fn delete(&self, _: &Caller, _: store::DeleteRequest) -> Result<store::DeleteResponse, Error> {
        Ok(store::DeleteResponse {})
    }

    async fn list(&self, _: &Caller, request: store::ListRequest) -> Result<Streaming<store::ListResponse>, Error> {
        let page = |n: u32| {
            Ok(store::ListResponse {
                keys: vec![n.to_string()],
            })
        };
        if request.options.unwrap_or_default().prefix == "endless" {
            let left = Left(self.0.clone());
            return Ok(Box::pin(futures::stream::unfold(
                (left, 0),
                move |(left, n)| async move {
                    if n > 1 {
                        left.0.entered.notify_one();
                        futures::future::pending::<()>().await;
                    }
                    Some((page(n), (left, n + 1)))
                },
            )));
        }
        Ok(Box::pin(futures::stream::iter((0..3).map(page))))
    }

    async fn databases(&self, _: &Caller, _: store::DatabasesRequest) -> Result<store::DatabasesResponse, Error> {
        Ok(store::DatabasesResponse::default())
    }

    async fn tables(&self, _: &Caller, _: store::TablesRequest) -> Result<store::TablesResponse, Error> {
        Ok(store::TablesResponse::default())
    }
}

/// It takes everything that it is sent.
#[async_trait]
impl BlobStore for Core {
    async fn read(&self, _: &Caller, _: store::BlobReadRequest) -> Result<Streaming<store::BlobReadResponse>, Error> {
        Ok(Box::pin(futures::stream::empty()))
    }

    async fn write(
        &self,
        _: &Caller,
        mut parts: Streaming<store::BlobWriteRequest>,
    ) -> Result<store::BlobWriteResponse, Error> {
        self.0.entered.notify_one();
        while let Some(part) = parts.next().await {
            part?;
        }
        Ok(store::BlobWriteResponse {})
    }

    async fn delete(&self, _: &Caller, _: store::BlobDeleteRequest) -> Result<store::BlobDeleteResponse, Error> {
        Ok(store::BlobDeleteResponse {})
    }
}

struct Left(Arc<Behind>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.left.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Session for Core {
    async fn start(&self, _: &Caller, _: signup::StartRequest) -> Result<signup::StartResponse, Error> {
        Ok(signup::StartResponse {
            secret: "s".into(),
            expires_at: 1,
        })
    }

    async fn confirm(&self, _: &Caller, _: signup::ConfirmRequest) -> Result<signup::ConfirmResponse, Error> {
        Ok(signup::ConfirmResponse::default())
    }

    async fn watch(&self, _: &Caller, _: signup::WatchRequest) -> Result<Streaming<signup::Status>, Error> {
        Ok(Box::pin(futures::stream::empty()))
    }

    async fn complete(&self, _: &Caller, _: signup::CompleteRequest) -> Result<signup::CompleteResponse, Error> {
        Ok(signup::CompleteResponse::default())
    }
}

#[async_trait]
impl Signup for Core {
    async fn send_verification_email(
        &self,
        _: &Caller,
        _: signup::SendVerificationEmailRequest,
    ) -> Result<signup::SendVerificationEmailResponse, Error> {
        Ok(signup::SendVerificationEmailResponse::default())
    }

    async fn verify(&self, _: &Caller, _: signup::VerifyRequest) -> Result<signup::VerifyResponse, Error> {
        Ok(signup::VerifyResponse::default())
    }

    async fn set_payment_method(
        &self,
        _: &Caller,
        _: signup::SetPaymentMethodRequest,
    ) -> Result<signup::SetPaymentMethodResponse, Error> {
        Ok(signup::SetPaymentMethodResponse::default())
    }

    async fn has_payment_method(
        &self,
        _: &Caller,
        _: signup::HasPaymentMethodRequest,
    ) -> Result<signup::HasPaymentMethodResponse, Error> {
        Ok(signup::HasPaymentMethodResponse::default())
    }

    async fn complete_signup(
        &self,
        _: &Caller,
        _: signup::CompleteSignupRequest,
    ) -> Result<signup::CompleteSignupResponse, Error> {
        Ok(signup::CompleteSignupResponse::default())
    }

    async fn recover(&self, _: &Caller, _: signup::RecoverRequest) -> Result<signup::RecoverResponse, Error> {
        Ok(signup::RecoverResponse::default())
    }
}

pub struct World {
    pub behind: Arc<Behind>,
    pub gateway: Arc<Gateway>,
    pub registry: Mutex<prometheus_client::registry::Registry>,
}

impl World {
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::build(Hop::none(), change)
    }

    /// One replica among several.
    pub fn among(leadership: Arc<Leadership>) -> Self {
        Self::build(Hop::new(leadership, &[7; 32]), |_| {})
    }

    fn build(hop: Hop, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let behind = Arc::new(Behind::default());
        let core = Arc::new(Core(behind.clone()));
        let mut registry = prometheus_client::registry::Registry::default();
        let services: Vec<Arc<dyn Service>> = vec![
            Arc::new(AuthServer::new(core.clone())),
            Arc::new(StoreServer::new(core.clone())),
            Arc::new(BlobStoreServer::new(core.clone())),
            Arc::new(SessionServer::new(core.clone())),
            Arc::new(SignupServer::new(core)),
        ];
        let any_port = "127.0.0.1:0".parse().expect("valid");
        let mut config = GatewayConfig {
            proxy: any_port,
            api: any_port,
            network: None,
            cores: Some(2),
            tls: None,
            apps_domain: Some("apps.test".into()),
            version: "v3.0.0".into(),
            local: false,
            limits: Limits::DEVELOPER,
            core_runtime: Some(tokio::runtime::Handle::current()),
        };
        change(&mut config);
        let ports = Ports {
            #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
            authority: Authority::for_boot(),
            verifier: behind.clone(),
            inspector: behind.clone(),
            rulebook: behind.clone(),
            exchange: behind.clone(),
            hop: Arc::new(hop),
            routes: behind.clone(),
            namespaces: behind.clone(),
            limiter: Arc::new(MemoryLimiter::default()),
            core: services,
            clock: Arc::new(behind.clock.clone()) as Arc<dyn Clock>,
            metrics: Arc::new(Metrics::register(&mut registry)),
        };
        let gateway = Arc::new(Gateway::start(config, ports).expect("free ports"));
        Self {
            behind,
            gateway,
            registry: Mutex::new(registry),
        }
    }

    pub fn client(&self) -> Client {
        client(self.gateway.addresses().proxy)
    }

    /// Puts nodes on the routes.
    pub fn route(&self, namespace_name: &str, service: &str, nodes: Vec<Node>) {
        let key = (namespace(namespace_name).id, service.to_owned());
        self.behind.nodes.lock().expect("not poisoned").insert(key, nodes);
    }

    /// Lets everybody call a service.
    pub fn open_to_everybody(&self, namespace_name: &str, service: &str) {
        let mut rules = self.behind.rules.lock().expect("not poisoned");
        rules.insert(namespace(namespace_name).id, vec![rule("", service, "*")]);
    }

    /// A URL at the HTTP API.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.addresses().api)
    }
}

pub fn client(address: SocketAddr) -> Client {
    Client::new(Endpoint::parse(&address.to_string()).expect("an address"))
}

/// A caller with a token (none where it is empty) and headers.
pub fn caller(token: &str, headers: &[(&str, &str)]) -> Caller {
    let metadata: Metadata = headers
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    Caller::outgoing((!token.is_empty()).then(|| token.into()), metadata)
}

pub fn http() -> reqwest::Client {
    // Only the first installation counts; the others find it there.
    let _first = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client")
}

pub fn limit(limit: Limit, max: u64) -> Limit {
    Limit { max, ..limit }
}

pub fn instance() -> InstanceId {
    InstanceId::new(micro_clock::Ids.random())
}

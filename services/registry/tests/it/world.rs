//! A registry with a clock that stands still, instances that take requests when told to, and callers.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use micro_clock::{Ids, TestClock};
use micro_domain::{AccountId, InstanceId, Limits, Namespace, NamespaceId, NamespaceName};
use micro_error::Error;
use micro_proto::registry::{Endpoint, Node, Options, Registry, Service, Value};
use micro_registry::{App, Parts};
use micro_rpc::mesh::{Alone, Connect, Duty, Instances};
use micro_storage::{
    StoreError,
    memory::MemoryRecords,
    records::{Key, Record, Records, Scan, Usage, Write, Written},
};
use micro_tenancy::{AccountKind, Authority, Caller, Principal, Reach, Tenant};
use time::OffsetDateTime;
use tokio::net::TcpStream;

/// Instances that take requests.
#[derive(Default)]
pub struct Running(pub Mutex<HashSet<(NamespaceId, InstanceId, u16)>>);

struct Nowhere;

#[async_trait]
impl Connect for Nowhere {
    async fn connect(&self) -> io::Result<TcpStream> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

impl Instances for Running {
    fn connector(&self, namespace: NamespaceId, instance: InstanceId, port: u16) -> Option<Arc<dyn Connect>> {
        let running = self.0.lock().expect("not poisoned");
        running
            .contains(&(namespace, instance, port))
            .then(|| Arc::new(Nowhere) as Arc<dyn Connect>)
    }
}

/// Memory that counts what is written to it.
#[derive(Default)]
pub struct CountingRecords {
    inner: MemoryRecords,
    pub writes: AtomicUsize,
}

#[async_trait]
impl Records for CountingRecords {
    async fn get(&self, tenant: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(tenant, keys, now).await
    }

    async fn write(&self, tenant: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.write(tenant, batch, now).await
    }

    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        self.inner.scan(tenant, scan, now).await
    }

    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.tables(tenant).await
    }

    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep(now, limit).await
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage, StoreError> {
        self.inner.usage(tenant).await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.inner.erase(tenant).await
    }
}

pub struct World {
    pub registry: App,
    pub clock: TestClock,
    pub running: Arc<Running>,
    pub records: Arc<CountingRecords>,
    authority: Authority,
    local: bool,
    limits: Limits,
}

impl World {
    pub fn platform() -> Self {
        Self::with(Limits::DEVELOPER)
    }

    pub fn with(limits: Limits) -> Self {
        Self::build(
            false,
            Arc::default(),
            Arc::default(),
            TestClock::default(),
            limits,
            Arc::new(Alone),
        )
    }

    pub fn local() -> Self {
        let limits = Limits::DEVELOPER;
        Self::build(
            true,
            Arc::default(),
            Arc::default(),
            TestClock::default(),
            limits,
            Arc::new(Alone),
        )
    }

    /// The same server after a restart: what was in memory only is gone.
    pub fn restarted(&self) -> Self {
        self.beside(Arc::new(Alone))
    }

    /// Another server over the same records.
    pub fn beside(&self, duty: Arc<dyn Duty>) -> Self {
        Self::build(
            self.local,
            self.records.clone(),
            self.running.clone(),
            self.clock.clone(),
            self.limits,
            duty,
        )
    }

    #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
    fn build(
        local: bool,
        records: Arc<CountingRecords>,
        running: Arc<Running>,
        clock: TestClock,
        limits: Limits,
        duty: Arc<dyn Duty>,
    ) -> Self {
        let authority = Authority::for_boot();
        let parts = Parts {
            records: records.clone(),
            clock: Arc::new(clock.clone()),
            authority: authority.clone(),
            instances: running.clone(),
            duty,
            core: micro_proto::services()
                .filter(|s| ["auth", "store"].contains(&s.package))
                .collect(),
            local,
            limits,
        };
        Self {
            registry: App::new(parts),
            clock,
            running,
            records,
            authority,
            local,
            limits,
        }
    }

    fn principal(&self, namespace: &str) -> Principal {
        Principal {
            namespace: namespace_of(namespace),
            account: AccountId::new("ada"),
            name: "ada".into(),
            kind: AccountKind::User,
            scopes: vec!["admin".into()],
            session: None,
            instance: None,
            reach: if self.local && namespace == "micro" {
                Reach::Local
            } else {
                Reach::Own
            },
        }
    }

    /// The owner of a namespace.
    pub fn owner(&self, namespace: &str) -> Caller {
        self.authority.verified(self.principal(namespace))
    }

    /// Leave to act in a namespace.
    pub fn tenant(&self, namespace: &str) -> Tenant {
        self.owner(namespace).enter("").expect("own")
    }

    /// Somebody of a namespace who may change nothing.
    pub fn guest(&self, namespace: &str) -> Caller {
        self.authority.verified(Principal {
            scopes: Vec::new(),
            ..self.principal(namespace)
        })
    }

    /// A running instance, at its own door.
    pub fn instance(&self, namespace: &str) -> (InstanceId, Caller) {
        let id = InstanceId::new(Ids.random());
        let principal = Principal {
            kind: AccountKind::Service,
            scopes: vec!["service".into()],
            instance: Some(id),
            ..self.principal(namespace)
        };
        (id, self.authority.verified(principal))
    }

    /// Lets an instance take requests on a port.
    pub fn takes_requests(&self, namespace: &str, instance: InstanceId, port: u16) {
        let id = namespace_of(namespace).id;
        self.running
            .0
            .lock()
            .expect("not poisoned")
            .insert((id, instance, port));
    }

    pub async fn register(&self, caller: &Caller, service: Service) -> Result<(), Error> {
        self.registry.register(caller, service).await.map(|_| ())
    }
}

pub fn namespace_of(name: &str) -> Namespace {
    Namespace::of_local(NamespaceName::parse(name).expect("a name"))
}

/// What a service says of itself at its start.
pub fn greeter(version: &str, node: &str, port: u16) -> Service {
    let endpoint = |name: &str| Endpoint {
        name: name.into(),
        request: Some(Value {
            name: "Request".into(),
            r#type: "Request".into(),
            values: Vec::new(),
        }),
        ..Default::default()
    };
    let node = Node {
        id: node.into(),
        address: format!("10.0.0.7:{port}"),
        ..Default::default()
    };
    Service {
        name: "greeter".into(),
        version: version.into(),
        endpoints: vec![endpoint("Greeter.Stream"), endpoint("Greeter.Hello")],
        nodes: vec![node],
        options: Some(Options {
            ttl: 90,
            domain: String::new(),
        }),
        ..Default::default()
    }
}

/// Micro's code and detail.
pub fn words<T: std::fmt::Debug>(result: Result<T, Error>) -> (i32, String) {
    let wire = result.expect_err("refused").to_wire();
    (wire.code, wire.detail)
}

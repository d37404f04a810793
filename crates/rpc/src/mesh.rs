//! How doors and running instances find each other: the ports between gateway, registry and runtime, none of
//! which knows the others.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use async_trait::async_trait;
use micro_domain::{InstanceId, NamespaceId};
use micro_error::Error;
use micro_tenancy::Principal;
use secrecy::SecretString;
use tokio::net::TcpStream;

/// One place where a service answers.
#[derive(Clone)]
pub struct Node {
    /// As registered (`greeter-<uuid>`).
    pub id: String,
    /// The running instance it is; none on a local server, where services may be started by hand.
    pub instance: Option<InstanceId>,
    /// The way there.
    pub connect: Arc<dyn Connect>,
}

/// A way to an instance.
#[async_trait]
pub trait Connect: Send + Sync + 'static {
    /// A fresh connection, or why there is none. Answers at once where the instance is gone.
    async fn connect(&self) -> io::Result<TcpStream>;

    /// Whether it leads to another machine, which may go without a word: its connections are asked whether they live.
    fn is_remote(&self) -> bool {
        false
    }

    /// Tells the ways to one node apart: connections are shared between values that say the same (a port).
    /// Without it, each value is a way of its own, and must be kept by whoever hands it out.
    fn key(&self) -> Option<u64> {
        None
    }
}

/// Where a namespace's services answer. Read on every request: implementations keep a snapshot.
pub trait Routes: Send + Sync + 'static {
    /// The nodes that take requests now; empty where the service is unknown in that namespace.
    fn nodes(&self, namespace: NamespaceId, service: &str) -> Arc<[Node]>;
}

/// What the runtime knows of the instances it started.
pub trait Instances: Send + Sync + 'static {
    /// The way to `port` of a running instance of this namespace, if it takes requests: an instance that is
    /// starting or draining does not.
    fn connector(&self, namespace: NamespaceId, instance: InstanceId, port: u16) -> Option<Arc<dyn Connect>>;
}

/// Opens an instance's own door to the core (:8443 inside its sandbox). Whoever comes through is the principal.
pub trait Ingress: Send + Sync + 'static {
    /// Serves `listener` until the guard is dropped.
    fn open(&self, listener: TcpListener, principal: Principal) -> io::Result<DoorGuard>;
}

/// Closes a door when dropped; requests in flight are finished.
pub struct DoorGuard(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl DoorGuard {
    /// Anything that closes the door when dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

/// What the gateway knows of requests on their way.
#[async_trait]
pub trait Traffic: Send + Sync + 'static {
    /// Returns once no request to the instance is in flight and its idle connections are closed, or `within`
    /// has passed; whether it drained. Call it after the routes have left the instance out.
    async fn drained(&self, instance: InstanceId, within: Duration) -> bool;
}

/// What the registry knows of the instances that the runtime started.
#[async_trait]
pub trait Registrations: Send + Sync + 'static {
    /// The port inside that the instance registered, as soon as it has; none if it has not `within` that time.
    async fn registered(&self, instance: InstanceId, within: Duration) -> Option<u16>;

    /// Forgets all that the instance registered: it has ended.
    fn forget(&self, instance: InstanceId);

    /// Forgets all of a namespace that is no more, and ends every watch of it.
    fn forget_all(&self, namespace: NamespaceId);
}

/// The account of one instance, as its environment carries it (`MICRO_AUTH_ID`, `MICRO_AUTH_SECRET`).
pub struct Credential {
    /// The account's id.
    pub id: String,
    /// Its secret; worth nothing once the instance has ended.
    pub secret: SecretString,
}

/// Where instances get their accounts: short-lived, bound to the instance, never stored as a password.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// The account that `principal`, whose `instance` is set, is to act as.
    async fn issue(&self, principal: &Principal) -> Result<Credential, Error>;

    /// Ends the account of an instance that has ended.
    async fn revoke(&self, namespace: NamespaceId, instance: InstanceId) -> Result<(), Error>;
}

/// Whether this server is the one of its replicas that runs services and knows where they are. It is until its lease
/// may have ended: looked at before anything is done that only one may do.
#[async_trait]
pub trait Duty: Send + Sync + 'static {
    /// Whether it is, now.
    fn holds(&self) -> bool;

    /// Returns once it is.
    async fn held(&self);
}

/// The duty of a server that has no replicas.
pub struct Alone;

#[async_trait]
impl Duty for Alone {
    fn holds(&self) -> bool {
        true
    }

    async fn held(&self) {}
}

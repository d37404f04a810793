//! Which services run in a namespace, where, and what they offer (`registry.Registry`); and the same as routes of a
//! network (`network.Network`).
//!
//! Registrations are leases held in memory and read by the doors on every request; storage is written only when
//! something other than a lease's end changes, so that a restart finds what runs without waiting for it to report.

mod catalog;
mod connect;
mod core;
mod error;
mod grpc;
mod history;
mod lease;
mod network;
mod routes;
mod schema;
mod store;
mod usage;
mod watch;

use std::{
    sync::{Arc, OnceLock},
    time::Duration as Patience,
};

use micro_clock::{Clock, Ids};
use micro_domain::{Limits, Namespace, NamespaceId, NamespaceName};
use micro_limits::InFlight;
use micro_proto::{network::NetworkServer, registry::RegistryServer};
use micro_rpc::{
    Service, ServiceDescriptor,
    mesh::{Duty, Instances},
};
use micro_storage::records::Records;
use micro_tenancy::{Authority, SystemTask, Tenant};
use tokio::sync::Mutex;

pub use error::RegistryError;

use crate::{catalog::Catalog, core::CoreServices};

/// What the registry stands on: boot fills it.
pub struct Parts {
    /// Where registrations outlive a restart.
    pub records: Arc<dyn Records>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// To write where registrations are kept.
    pub authority: Authority,
    /// The ways to the instances that the runtime started.
    pub instances: Arc<dyn Instances>,
    /// Whether this server is the one that knows where services are: only that one writes it down.
    pub duty: Arc<dyn Duty>,
    /// What the platform itself offers: the domain `micro`, which any account may read.
    pub core: Vec<&'static ServiceDescriptor>,
    /// A local server: services may be started by hand, on this machine's loopback.
    pub local: bool,
    /// How much a namespace may register and watch.
    pub limits: Limits,
}

/// The registry. Clones are the same registry.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    core: Arc<CoreServices>,
    catalog: Arc<Catalog>,
    watching: InFlight<NamespaceId>,
    /// This server among those of a network: its id, and where clients reach it.
    node: Arc<(String, OnceLock<String>)>,
    /// Held by whoever writes registrations down.
    pen: Arc<Mutex<()>>,
}

impl App {
    /// An empty registry: [`Self::load`] fills it with what ran before.
    pub fn new(parts: Parts) -> Self {
        let core = CoreServices::new(&parts.core);
        Self {
            core: Arc::new(core),
            catalog: Arc::new(Catalog::new(parts.limits)),
            watching: InFlight::default(),
            node: Arc::new((format!("micro-{}", Ids.random()), OnceLock::new())),
            pen: Arc::default(),
            parts: Arc::new(parts),
        }
    }

    /// What it answers over gRPC.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        let app = Arc::new(self.clone());
        vec![
            Arc::new(RegistryServer::new(app.clone())),
            Arc::new(NetworkServer::new(app)),
        ]
    }

    /// Tells where clients reach this server: known once its doors are open. The first word stays.
    pub fn reached_at(&self, address: impl Into<String>) {
        let _first_stays = self.node.1.set(address.into());
    }

    /// Ends leases that have run out, every few seconds, until it is dropped: boot spawns it.
    pub async fn keep_leases(self) {
        let mut tick = tokio::time::interval(Patience::from_secs(3));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.end_leases().await;
        }
    }

    /// Ends the leases that have run out, and writes down what changed.
    pub async fn end_leases(&self) {
        self.catalog.expire(self.parts.clock.now());
        self.write_changes().await;
    }

    /// Where registrations are kept: what is found there at a start belongs to many namespaces.
    fn platform(&self) -> Tenant {
        self.parts
            .authority
            .enter(SystemTask::Doors, Namespace::of_local(NamespaceName::micro()))
    }
}

//! From source to running services, for every namespace: uploads and git, builds, releases, instances and their logs.
//!
//! `source → plan → build → artifact → release → instances`. What is wanted is stored; one supervisor per service makes
//! it so. Everything of a tenant's runs in a sandbox, builds included.

mod artifact;
mod build;
mod config;
mod doors;
mod egress;
mod environment;
mod failure;
mod feed;
mod instance;
mod instances;
mod layout;
mod logs;
mod plan;
mod service;
mod shared;
mod source;
mod state;
mod store;
mod supervisor;
mod take_over;
mod walls;

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use micro_domain::{InstanceId, Namespace, NamespaceId};
use micro_limits::InFlight;
use micro_rpc::mesh::{Connect, Instances};
use micro_storage::StoreError;
use secrecy::SecretString;
use tokio::{sync::Semaphore, task::JoinHandle};

pub use build::{LayerError, Toolchains};
pub use config::{Ports, RuntimeConfig, Sdk};
pub use egress::{BadRule, BuildEgress};
pub use instances::InstanceTable;

use build::{Builder, Layers};
use instance::Running;
use layout::Layout;
use service::{Desired, Service};
use shared::Shared;
use state::{ServiceId, ServiceRecord};
use store::Store;
use supervisor::Supervisor;

/// Why the runtime did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its folder cannot be used.
    #[error("preparing the runtime's folder")]
    Disk(#[from] io::Error),
    /// What is wanted cannot be read.
    #[error("reading what is to run")]
    Store(#[from] StoreError),
}

/// Runs every namespace's services.
pub struct Runtime {
    shared: Arc<Shared>,
    services: Mutex<Services>,
}

type Services = HashMap<(NamespaceId, ServiceId), Supervised>;

/// A service and its supervisor at work.
struct Supervised {
    service: Arc<Service>,
    supervisor: JoinHandle<()>,
}

impl Runtime {
    /// A runtime that runs nothing until it is told to [take over](Self::take_over).
    pub fn new(config: RuntimeConfig, ports: Ports) -> Result<Arc<Self>, StartError> {
        let layout = Layout::open(&config.data_dir)?;
        let builder = Builder {
            launcher: config.launcher.clone(),
            blobs: ports.blobs.clone(),
            clock: ports.clock.clone(),
            toolchains: config.toolchains,
            layers: config.sdk.map(|sdk| Arc::new(Layers::new(sdk))),
            egress: Arc::new(config.egress),
            limits: config.limits,
            places: Semaphore::new(config.builds.max(1)),
        };
        let shared = Arc::new(Shared {
            launcher: config.launcher,
            layout,
            store: Store::new(ports.records, ports.authority, ports.clock.clone()),
            builder,
            blobs: ports.blobs,
            ingress: ports.ingress,
            traffic: ports.traffic,
            registrations: ports.registrations,
            credentials: ports.credentials,
            instances: ports.instances,
            duty: ports.duty,
            clock: ports.clock,
            limits: config.limits,
            network_address: config.network_address,
            reading: InFlight::default(),
            uploading: InFlight::default(),
        });
        Ok(Arc::new(Self {
            shared,
            services: Mutex::default(),
        }))
    }

    /// Makes the SDK layer now if it is missing, so that nobody's first build waits for it; tells `progress` what it does.
    pub async fn prepare(&self, progress: &(dyn Fn(String) + Send + Sync)) -> Result<(), LayerError> {
        let builder = &self.shared.builder;
        match &builder.layers {
            Some(layers) if builder.confines() => layers.ready(builder, progress).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Ends every instance and build, and waits for it, at most until `deadline` from now. What is wanted stays recorded.
    pub async fn stop(&self, deadline: Duration) {
        if tokio::time::timeout(deadline, self.lay_down()).await.is_err() {
            tracing::warn!("some instances had not ended when the server stopped");
        }
    }

    /// Ends every instance and build, from its first moment on: waiting for it is only waiting for the last of them.
    pub fn lay_down(&self) -> impl Future<Output = ()> + Send + use<> {
        let supervisors: Vec<JoinHandle<()>> = self
            .services()
            .drain()
            .map(|(_, Supervised { service, supervisor })| {
                service.desired.send_replace(Desired::Paused);
                supervisor
            })
            .collect();
        async { drop(join_all(supervisors).await) }
    }

    fn services(&self) -> MutexGuard<'_, Services> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn service(&self, namespace: NamespaceId, id: &ServiceId) -> Option<Arc<Service>> {
        self.services()
            .get(&(namespace, id.clone()))
            .map(|known| known.service.clone())
    }

    fn supervise(&self, service: Arc<Service>, adopted: Option<Running>) -> Supervised {
        let supervisor = Supervisor::new(self.shared.clone(), service.clone(), adopted);
        Supervised {
            service,
            supervisor: tokio::spawn(supervisor.run()),
        }
    }

    /// Gives the service's supervisor what is wanted, and starts one for a service that has none.
    fn want(
        &self,
        namespace: &Namespace,
        uid_base: u32,
        record: ServiceRecord,
        git: Option<SecretString>,
    ) -> io::Result<()> {
        let key = (namespace.id, record.id.clone());
        let mut services = self.services();
        if let Some(known) = services.get(&key).filter(|known| !known.service.is_going()) {
            known.service.want(record, git, self.shared.clock.now());
            return Ok(());
        }
        let home = self.shared.layout.home(namespace.id, &record.id);
        home.ensure()?;
        let service = Service::new(namespace.clone(), home, uid_base, record, git);
        services.insert(key, self.supervise(service, None));
        Ok(())
    }
}

impl Instances for Runtime {
    fn connector(&self, namespace: NamespaceId, instance: InstanceId, port: u16) -> Option<Arc<dyn Connect>> {
        self.shared.instances.connector(namespace, instance, port)
    }
}

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
mod walls;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use micro_domain::{InstanceId, Namespace, NamespaceId};
use micro_limits::InFlight;
use micro_rpc::mesh::{Connect, Instances};
use micro_sandbox::Keeper;
use micro_storage::StoreError;
use secrecy::SecretString;
use tokio::{sync::Semaphore, task::JoinHandle};

pub use build::{LayerError, Toolchains};
pub use config::{Ports, RuntimeConfig, Sdk};
pub use egress::{BadRule, BuildEgress};
pub use instances::InstanceTable;

use build::{Builder, Layers};
use instance::{GRACE, Running, read_note};
use layout::{Home, Layout, RunKind};
use service::{Desired, Service};
use shared::Shared;
use state::{Outcome, ServiceId, ServiceRecord};
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
    /// [`Self::new`], then [`Self::take_over`]: where the doors are open already.
    pub async fn start(config: RuntimeConfig, ports: Ports) -> Result<Arc<Self>, StartError> {
        let runtime = Self::new(config, ports)?;
        runtime.take_over().await?;
        Ok(runtime)
    }

    /// A runtime that runs nothing yet.
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
        let supervisors: Vec<JoinHandle<()>> = self
            .services()
            .drain()
            .map(|(_, Supervised { service, supervisor })| {
                service.desired.send_replace(Desired::Paused);
                supervisor
            })
            .collect();
        if tokio::time::timeout(deadline, join_all(supervisors)).await.is_err() {
            tracing::warn!("some instances had not ended when the server stopped");
        }
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

    /// Reads what is to run, adopts what runs, ends what nobody wants, and starts the rest. Instances get their doors
    /// here, so the doors must be open.
    pub async fn take_over(&self) -> Result<(), StartError> {
        let mut wanted = Vec::new();
        for record in self.shared.store.namespaces().await? {
            let tenant = self.shared.store.enter(&record.namespace);
            for service in self.shared.store.services(&tenant).await? {
                wanted.push((record.namespace.clone(), record.uid_base, service));
            }
        }
        let mut homes: Vec<Home> = self.shared.layout.homes()?.into_iter().map(|(_, home)| home).collect();
        let mut unwanted = Vec::new();
        for (namespace, uid_base, record) in wanted {
            let home = self.shared.layout.home(namespace.id, &record.id);
            homes.retain(|other| other.path() != home.path());
            home.ensure()?;
            let service = Service::new(namespace, home, uid_base, record.clone(), None);
            let (adopted, others) = self.adopt(&service, &record).await?;
            unwanted.extend(others);
            let key = (service.namespace.id, service.id.clone());
            let supervised = self.supervise(service, adopted);
            self.services().insert(key, supervised);
        }
        for home in &homes {
            unwanted.extend(home.runs()?.iter().filter_map(|run| Keeper::adopt(&run.dir)));
        }
        join_all(unwanted.iter().map(|keeper| keeper.stop(GRACE))).await;
        for home in homes {
            home.remove()?;
        }
        Ok(())
    }

    /// What still runs of a service: the instance of its good release, and everything else.
    async fn adopt(
        &self,
        service: &Arc<Service>,
        record: &ServiceRecord,
    ) -> Result<(Option<Running>, Vec<Keeper>), StartError> {
        let tenant = self.shared.store.enter(&service.namespace);
        let (mut adopted, mut others) = (None, Vec::new());
        for run in service.home.runs()? {
            let Some(keeper) = Keeper::adopt(&run.dir) else {
                continue;
            };
            let release = read_note(&run)
                .map(|note| note.release)
                .filter(|n| run.kind == RunKind::Instance && record.good == Some(*n));
            let (Some(number), None) = (release, &adopted) else {
                others.push(keeper);
                continue;
            };
            let Some(Outcome::Built { artifact, .. }) = self
                .shared
                .store
                .release(&tenant, &service.id, number)
                .await?
                .map(|release| release.outcome)
            else {
                others.push(keeper);
                continue;
            };
            let id = run.id;
            match Running::adopt(self.shared.clone(), service.clone(), run, keeper, number, artifact).await {
                Ok(running) => adopted = Some(running),
                // It was ended by being dropped; a new one starts.
                Err(e) => tracing::warn!(error = %e, instance.id = %id, "an instance could not be adopted"),
            }
        }
        Ok((adopted, others))
    }
}

impl Instances for Runtime {
    fn connector(&self, namespace: NamespaceId, instance: InstanceId, port: u16) -> Option<Arc<dyn Connect>> {
        self.shared.instances.connector(namespace, instance, port)
    }
}

//! What boot decides for the runtime, and what it plugs in.

use std::{path::PathBuf, sync::Arc};

use micro_clock::Clock;
use micro_domain::Limits;
use micro_rpc::mesh::{Credentials, Duty, Ingress, Registrations, Traffic};
use micro_sandbox::Launcher;
use micro_storage::{blobs::Blobs, records::Records};
use micro_tenancy::Authority;

use crate::{build::Toolchains, egress::BuildEgress, instances::InstanceTable};

/// What boot decides.
pub struct RuntimeConfig {
    /// A folder of the runtime's own: sources at work, caches, unpacked releases, logs. Made if missing.
    pub data_dir: PathBuf,
    /// Starts keepers, and says how far they confine.
    pub launcher: Launcher,
    /// Where unconfined services find the core (`127.0.0.1:8443`); confined ones have a door of their own.
    pub network_address: String,
    /// Compilers.
    pub toolchains: Toolchains,
    /// Our SDK; without it a service that depends on it does not build.
    pub sdk: Option<Sdk>,
    /// Hosts that confined builds and git may reach.
    pub egress: BuildEgress,
    /// The limits of each namespace.
    pub limits: Limits,
    /// Builds at work at once, of all namespaces together.
    pub builds: usize,
}

/// Our SDK, as services import it.
#[derive(Clone, Debug)]
pub struct Sdk {
    /// The crate `micro-sdk`: the folder of its Cargo.toml.
    pub source: PathBuf,
    /// Where layers (its dependencies, compiled) are kept; several servers may share it.
    pub cache: PathBuf,
}

/// What boot plugs in.
pub struct Ports {
    /// Desired state.
    pub records: Arc<dyn Records>,
    /// Sources and artifacts.
    pub blobs: Arc<dyn Blobs>,
    /// Opens each instance's door to the core.
    pub ingress: Arc<dyn Ingress>,
    /// Knows of requests in flight.
    pub traffic: Arc<dyn Traffic>,
    /// Knows which instances have registered.
    pub registrations: Arc<dyn Registrations>,
    /// Gives instances their accounts.
    pub credentials: Arc<dyn Credentials>,
    /// The instances that take requests: made before, since registry and gateway read it.
    pub instances: Arc<InstanceTable>,
    /// Whether this server is the one that runs services.
    pub duty: Arc<dyn Duty>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Leave to act in the namespaces whose services this runs.
    pub authority: Authority,
}

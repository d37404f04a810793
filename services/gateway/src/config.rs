//! What the doors are told at the start.

use std::{net::SocketAddr, sync::Arc, thread};

use micro_domain::Limits;
use tokio::runtime::Handle;

/// How the doors are set up.
#[derive(Clone)]
pub struct GatewayConfig {
    /// Where gRPC for command lines is; port 0 picks one.
    pub proxy: SocketAddr,
    /// Where the HTTP API is; port 0 picks one.
    pub api: SocketAddr,
    /// Where services that no door of their own serves find the same gRPC; port 0 picks one.
    pub network: Option<SocketAddr>,
    /// Edge cores; none means as many as the machine has.
    pub cores: Option<usize>,
    /// TLS on both public doors.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The registrable domain below which each namespace has a name (`NAMESPACE.domain`).
    pub apps_domain: Option<String>,
    /// Said by `GET /` of the HTTP API.
    pub version: String,
    /// A local server, one person's own: its services come through the public doors too, and since its
    /// administrator is well known, its doors are closed to pages of other sites.
    pub local: bool,
    /// What a namespace may do.
    pub limits: Limits,
    /// Where core services run. They may hold database connections of that runtime; without it they run on
    /// the edge core itself.
    pub core_runtime: Option<Handle>,
}

impl GatewayConfig {
    pub(crate) fn core_count(&self) -> usize {
        self.cores
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
            .max(1)
    }
}

//! The doors: gRPC for command lines (:8081), HTTP API (:8080), and one for each running instance. All of them
//! lead through one stack: authenticate → namespace → authorise → limit → route (reference/spike-edge).
//!
//! [`Gateway::start`] opens them. Calls of core names go to services of this process; everything else is
//! forwarded to a node of the namespace that the caller may enter. An edge core only forwards, and answers what is over
//! sooner than it could be handed to another thread.

mod accept;
mod api;
pub mod bounds;
mod config;
mod core;
mod debug;
mod door;
mod doors;
mod edge;
mod exchange;
mod figures;
mod forward;
mod grpc;
mod held;
mod here;
mod hop;
mod identity;
mod listen;
mod metrics;
mod outcome;
mod ports;
mod prefixed;
mod reply;
mod traffic;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use micro_domain::InstanceId;
use micro_rpc::mesh::{DoorGuard, Ingress, Traffic};
use micro_tenancy::Principal;

pub use api::{OWN_PATHS, OwnPath};
pub use config::GatewayConfig;
pub use doors::Doors;
pub use here::is_meant;
pub use hop::{Hop, Leader, Leadership, Replica};
pub use listen::{DoorTaken, check_free};
pub use metrics::Metrics;
pub use ports::{FindNamespace, InspectToken, Ports};

use crate::{accept::Cores, door::Door, edge::Edge};

/// Where the doors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC, for command lines.
    pub proxy: SocketAddr,
    /// HTTP API.
    pub api: SocketAddr,
    /// gRPC, for services started by hand.
    pub network: Option<SocketAddr>,
}

/// The open doors. Dropping it closes them at once; [`Gateway::stop`] lets requests finish first.
pub struct Gateway {
    cores: Cores,
    edge: Arc<Edge>,
    addresses: Addresses,
}

impl Gateway {
    /// Opens the doors. A taken port is told with who holds it.
    pub fn start(config: GatewayConfig, ports: Ports) -> Result<Self, DoorTaken> {
        let count = config.core_count();
        let proxy = listen::listen("MICRO_PROXY_ADDRESS", config.proxy, count)?;
        let api = listen::listen("MICRO_API_ADDRESS", config.api, count)?;
        let network = config
            .network
            .map(|at| listen::listen("MICRO_NETWORK_ADDRESS", at, count));
        let network = network.transpose()?;
        let addresses = Addresses {
            proxy: proxy.address,
            api: api.address,
            network: network.as_ref().map(|n| n.address),
        };
        let edge = Arc::new(Edge::new(&config, ports, count));
        let cores = Cores::start(&edge, config.tls.clone(), count).map_err(DoorTaken::Threads)?;
        let grpc = std::iter::once(proxy).chain(network);
        for (core, listener) in grpc.flat_map(|door| door.listeners.into_iter().enumerate()) {
            cores
                .accept(core, listener, Arc::new(Door::Proxy))
                .map_err(DoorTaken::Threads)?;
        }
        for (core, listener) in api.listeners.into_iter().enumerate() {
            cores
                .accept(core, listener, Arc::new(Door::Api))
                .map_err(DoorTaken::Threads)?;
        }
        Ok(Self { cores, edge, addresses })
    }

    /// Where the doors are: the ports that were picked, where 0 was asked for.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Closes the doors to new connections at once, lets requests in flight finish until `deadline` has
    /// passed, then ends what is left. Whether everything finished by itself.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.cores.stop(deadline).await
    }
}

impl Ingress for Gateway {
    fn open(&self, listener: std::net::TcpListener, principal: Principal) -> io::Result<DoorGuard> {
        self.cores
            .open(listener, Arc::new(Door::Instance(Arc::new(principal))))
            .map(DoorGuard::new)
    }
}

#[async_trait]
impl Traffic for Gateway {
    async fn drained(&self, instance: InstanceId, within: Duration) -> bool {
        self.edge.drained(instance, within).await
    }
}

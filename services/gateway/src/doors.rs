//! The doors before they are open: the runtime needs them to start instances, and they need the runtime's
//! service to be there. Boot hands this to the one and attaches the other.

use std::{
    io,
    net::TcpListener,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use micro_domain::InstanceId;
use micro_rpc::mesh::{DoorGuard, Ingress, Traffic};
use micro_tenancy::Principal;

use crate::Gateway;

/// A place for the gateway.
#[derive(Clone, Default)]
pub struct Doors(Arc<OnceLock<Arc<Gateway>>>);

impl Doors {
    /// Puts the open gateway in its place. The first one stays.
    pub fn attach(&self, gateway: Arc<Gateway>) {
        let _first_stays = self.0.set(gateway);
    }
}

impl Ingress for Doors {
    fn open(&self, listener: TcpListener, principal: Principal) -> io::Result<DoorGuard> {
        match self.0.get() {
            Some(gateway) => gateway.open(listener, principal),
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the doors are not open yet",
            )),
        }
    }
}

#[async_trait]
impl Traffic for Doors {
    async fn drained(&self, instance: InstanceId, within: Duration) -> bool {
        match self.0.get() {
            Some(gateway) => gateway.drained(instance, within).await,
            // Without doors there is no traffic.
            None => true,
        }
    }
}

//! The registry as gateway and runtime see it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use micro_domain::{InstanceId, NamespaceId};
use micro_rpc::mesh::{Connect, Node, Registrations, Routes};

use crate::{App, lease::Lease};

impl App {
    /// The way to a node, if it takes requests now.
    pub(crate) fn way_to(&self, namespace: NamespaceId, lease: &Lease) -> Option<Arc<dyn Connect>> {
        match lease.instance {
            Some(instance) => self.parts.instances.connector(namespace, instance, lease.port),
            None => lease.direct.clone(),
        }
    }
}

impl Routes for App {
    fn nodes(&self, namespace: NamespaceId, service: &str) -> Arc<[Node]> {
        let Some(space) = self.catalog.space(namespace) else {
            return Arc::default();
        };
        let Some(versions) = space.services.get(service) else {
            return Arc::default();
        };
        let now = self.parts.clock.now();
        let way = |lease: &Arc<Lease>| {
            let connect = self.way_to(namespace, lease)?;
            Some(Node {
                id: lease.node.id.clone(),
                instance: lease.instance,
                connect,
            })
        };
        let leases = versions.values().flat_map(|registered| &registered.nodes);
        leases.filter(|lease| lease.lives(now)).filter_map(way).collect()
    }
}

#[async_trait]
impl Registrations for App {
    async fn registered(&self, instance: InstanceId, within: Duration) -> Option<u16> {
        let look = async {
            loop {
                let arrival = self.catalog.arrivals.notified();
                let mut arrival = std::pin::pin!(arrival);
                // From here on an arrival is not missed, even while looking.
                arrival.as_mut().enable();
                if let Some(port) = self.catalog.port_of(instance, self.parts.clock.now()) {
                    return port;
                }
                arrival.await;
            }
        };
        tokio::time::timeout(within, look).await.ok()
    }

    fn forget(&self, instance: InstanceId) {
        self.catalog.remove(None, self.parts.clock.now(), |_, lease| {
            lease.instance == Some(instance)
        });
    }

    fn forget_all(&self, namespace: NamespaceId) {
        self.catalog.end(namespace, self.parts.clock.now());
    }
}

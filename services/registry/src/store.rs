//! Registrations as they outlive a restart: written when nodes come, go or offer something else, never when a
//! lease is renewed.

use std::sync::Arc;

use micro_domain::{InstanceId, Namespace};
use micro_proto::registry::Service;
use micro_storage::{
    StoreError,
    records::{Key, Scan, Write},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    App,
    catalog::{Place, Registered},
    lease::{Lease, port_of},
};

const TABLE: &str = "registrations";

#[derive(Serialize, Deserialize)]
struct Stored {
    namespace: Namespace,
    /// With its nodes.
    service: Service,
    /// For each node, in order.
    leases: Vec<StoredLease>,
}

#[derive(Serialize, Deserialize)]
struct StoredLease {
    instance: Option<InstanceId>,
    ttl: i64,
}

impl Stored {
    fn read_back(self, now: OffsetDateTime) -> (Namespace, Registered) {
        let Self {
            namespace,
            mut service,
            leases,
        } = self;
        let nodes = std::mem::take(&mut service.nodes);
        let lease = |(node, lease): (_, StoredLease)| {
            let port = port_of(&node)?;
            Some(Arc::new(
                Lease::new(node, lease.instance, port, lease.ttl, now).read_back(),
            ))
        };
        let registered = Registered {
            service: Arc::new(service),
            nodes: nodes.into_iter().zip(leases).filter_map(lease).collect(),
            changed: 0,
        };
        (namespace, registered)
    }
}

impl App {
    /// Finds what was registered before this process started. Each lease begins anew: what no longer runs will
    /// not renew it, and instances that have ended have no way to them meanwhile.
    pub async fn load(&self) -> Result<(), StoreError> {
        let (now, platform) = (self.parts.clock.now(), self.platform());
        let mut scan = Scan::core(TABLE, "");
        loop {
            let page = self.parts.records.scan(&platform, scan.clone(), now).await?;
            let Some(last) = page.last() else { return Ok(()) };
            scan = scan.after(&last.key);
            let stored = page.iter().filter_map(|record| {
                let parsed = serde_json::from_slice::<Stored>(&record.value);
                let damaged = |error: &_| tracing::warn!(%error, "a stored registration does not parse");
                parsed.inspect_err(damaged).ok()
            });
            self.catalog.restore(stored.map(|stored| stored.read_back(now)));
        }
    }

    /// Takes out what was read back and does not run here: its server is gone. For once all that runs was adopted.
    pub async fn forget_lost(&self) {
        let now = self.parts.clock.now();
        for space in self.catalog.spaces() {
            let namespace = space.namespace.id;
            let runs = |instance, port| self.parts.instances.connector(namespace, instance, port).is_some();
            self.catalog.remove(Some(namespace), now, |_, lease| {
                lease.was_read_back && lease.instance.is_some_and(|instance| !runs(instance, lease.port))
            });
        }
        self.write_changes().await;
    }

    /// Forgets everything, and leaves what is written down to the server that has taken over; whoever watches is told
    /// to ask again.
    pub fn lay_down(&self) {
        self.catalog.clear();
    }

    /// Writes down what has changed. One at a time, so that an older state never lands on a newer one; whoever
    /// finds the pen taken leaves the change to its holder, or to the next look at the leases. A registration is
    /// good without it.
    pub(crate) async fn write_changes(&self) {
        let Ok(_pen) = self.pen.try_lock() else { return };
        // What another server knows by now is not for this one to overwrite.
        if !self.parts.duty.holds() {
            return;
        }
        let mut failed = Vec::new();
        loop {
            let changed = self.catalog.take_changed();
            if changed.is_empty() {
                break;
            }
            for place in changed {
                if let Err(error) = self.write_one(&place).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a registration was not written down"
                    );
                    failed.push(place);
                }
            }
        }
        self.catalog.still_changed(failed);
    }

    async fn write_one(&self, place: &Place) -> Result<(), StoreError> {
        let (namespace, name, version) = place;
        let key = Key::core(TABLE, format!("{namespace}/{name}/{version}"));
        let space = self.catalog.space(*namespace);
        let registered = space.as_ref().and_then(|s| s.services.get(name)?.get(version));
        let write = match (&space, registered) {
            (Some(space), Some(registered)) => {
                let mut service = Service::clone(&registered.service);
                service.nodes = registered.nodes.iter().map(|lease| lease.node.clone()).collect();
                let lease = |l: &Arc<Lease>| StoredLease {
                    instance: l.instance,
                    ttl: l.ttl(),
                };
                let leases = registered.nodes.iter().map(lease).collect();
                let stored = Stored {
                    namespace: space.namespace.clone(),
                    service,
                    leases,
                };
                Write::put(key, serde_json::to_vec(&stored).expect("plain data"))
            }
            _ => Write::delete(key),
        };
        let now = self.parts.clock.now();
        self.parts
            .records
            .write(&self.platform(), vec![write], now)
            .await
            .map(|_| ())
    }
}

//! What is written down: events in the log; topics, groups, dead letters, producers and replicas in records.

mod ahead;
mod events;
mod groups;
mod letters;
mod producers;
mod replicas;
mod topics;

use std::sync::{Arc, atomic::AtomicI64};

use micro_domain::{Namespace, NamespaceId, NamespaceName};
use micro_limits::InFlight;
use micro_storage::{
    StoreError,
    records::{Record, Scan},
};
use micro_tenancy::{SystemTask, Tenant, bounded::Bounded};
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use ahead::Ahead;
pub use groups::Standing;
pub use producers::Produced;
pub use replicas::SAYS_SO;

use crate::{Parts, place::TopicKey};

/// Topics and namespaces that are remembered to be written down.
const REMEMBERED: usize = 50_000;

/// Where everything is. Clones are the same.
#[derive(Clone)]
pub struct Stored {
    pub parts: Arc<Parts>,
    /// Names this process among replicas.
    pub boot: Uuid,
    /// Topics that are written down, as of when: unix seconds.
    topics: Arc<Bounded<TopicKey, i64>>,
    namespaces: Arc<Bounded<NamespaceId, ()>>,
    /// Bytes that consumers have in memory.
    ahead: InFlight<NamespaceId>,
    /// Bytes published to a topic since its last mark.
    uncounted: Arc<Bounded<TopicKey, u64>>,
    /// When this replica last said that it lives: unix seconds.
    said_alive: Arc<AtomicI64>,
}

impl Stored {
    pub fn new(parts: Arc<Parts>, boot: Uuid) -> Self {
        Self {
            parts,
            boot,
            topics: Arc::new(Bounded::new(REMEMBERED)),
            namespaces: Arc::new(Bounded::new(REMEMBERED)),
            ahead: InFlight::default(),
            uncounted: Arc::new(Bounded::new(REMEMBERED)),
            said_alive: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// Where what belongs to no namespace is kept.
    fn platform(&self) -> Tenant {
        self.parts
            .authority
            .enter(SystemTask::Sweep, Namespace::of_local(NamespaceName::micro()))
    }

    /// Every record of a scan, page by page: for small ones.
    async fn all(&self, tenant: &Tenant, mut scan: Scan) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        loop {
            let page = self
                .parts
                .records
                .scan(tenant, scan.clone(), self.parts.clock.now())
                .await?;
            let Some(last) = page.last() else { return Ok(found) };
            scan = scan.after(&last.key);
            found.extend(page);
        }
    }
}

fn parse<T: DeserializeOwned>(what: &str, record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.value).map_err(|_| StoreError::Damaged(format!("{what} does not parse")))
}

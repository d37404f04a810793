//! What is registered, as a snapshot that is swapped on change. Renewing a lease is no change.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use micro_domain::{InstanceId, Limit, Namespace, NamespaceId};
use micro_proto::registry::Service;
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::{
    RegistryError,
    lease::Lease,
    watch::{Change, Watchers},
};

/// As many versions of services, each with its nodes, as a namespace may register.
const REGISTRATIONS: Limit = Limit {
    name: "registrations",
    max: 200,
};
/// As many nodes as one version may have.
const NODES: Limit = Limit {
    name: "nodes",
    max: 200,
};

/// One version of a service.
#[derive(Clone)]
pub struct Registered {
    /// As registered, without nodes.
    pub service: Arc<Service>,
    /// Its nodes, by id.
    pub nodes: Vec<Arc<Lease>>,
}

impl Registered {
    /// The service with the nodes that live, as the wire shows it.
    pub fn render(&self, now: OffsetDateTime) -> Service {
        let mut service = Service::clone(&self.service);
        service.nodes = self
            .nodes
            .iter()
            .filter(|lease| lease.lives(now))
            .map(|lease| lease.node.clone())
            .collect();
        service
    }
}

/// A namespace's services by name and version.
#[derive(Clone)]
pub struct Space {
    /// Whose they are.
    pub namespace: Namespace,
    /// By name, then by version.
    pub services: BTreeMap<String, BTreeMap<String, Registered>>,
}

/// One version of a service of a namespace.
pub type Place = (NamespaceId, String, String);

type Snapshot = HashMap<NamespaceId, Arc<Space>>;

/// Everything registered.
#[derive(Default)]
pub struct Catalog {
    spaces: ArcSwap<Snapshot>,
    /// What has changed since it was written down. Its lock is the writers' turn.
    changed: Mutex<HashSet<Place>>,
    /// Told of each new node.
    pub arrivals: Notify,
    /// Who wants to know.
    pub watchers: Watchers,
}

impl Catalog {
    /// The services of a namespace.
    pub fn space(&self, namespace: NamespaceId) -> Option<Arc<Space>> {
        self.spaces.load().get(&namespace).cloned()
    }

    /// Every namespace's services.
    pub fn spaces(&self) -> Vec<Arc<Space>> {
        self.spaces.load().values().cloned().collect()
    }

    /// Whether a node of this instance lives, and its port.
    pub fn port_of(&self, instance: InstanceId, now: OffsetDateTime) -> Option<u16> {
        let spaces = self.spaces.load();
        let mut leases = spaces
            .values()
            .flat_map(|space| space.services.values())
            .flat_map(BTreeMap::values);
        leases.find_map(|registered| {
            let of_it = |lease: &&Arc<Lease>| lease.instance == Some(instance) && lease.lives(now);
            registered.nodes.iter().find(of_it).map(|lease| lease.port)
        })
    }

    /// Registers nodes of a version, or renews their leases.
    pub fn register(
        &self,
        namespace: &Namespace,
        service: Service,
        leases: Vec<Lease>,
        now: OffsetDateTime,
    ) -> Result<(), RegistryError> {
        let mut changed = self.turn();
        let known = self.space(namespace.id);
        let version = known
            .as_ref()
            .and_then(|s| s.services.get(&service.name)?.get(&service.version));
        if let Some(version) = version
            && *version.service == service
            && renewed(version, &leases, now)
        {
            return Ok(());
        }
        let versions = known
            .as_ref()
            .map_or(0, |s| s.services.values().map(BTreeMap::len).sum());
        if version.is_none() && versions as u64 >= REGISTRATIONS.max {
            return Err(RegistryError::Limit(REGISTRATIONS));
        }
        let change = if version.is_some() {
            Change::Update
        } else {
            Change::Create
        };
        let mut nodes = version.map_or_else(Vec::new, |v| v.nodes.clone());
        for lease in leases {
            nodes.retain(|known| known.node.id != lease.node.id && known.lives(now));
            nodes.push(Arc::new(lease));
        }
        if nodes.len() as u64 > NODES.max {
            return Err(RegistryError::Limit(NODES));
        }
        nodes.sort_by(|a, b| a.node.id.cmp(&b.node.id));
        let place = (namespace.id, service.name.clone(), service.version.clone());
        let registered = Registered {
            service: Arc::new(service),
            nodes,
        };
        self.put(namespace, registered.clone());
        self.watchers.tell(namespace.id, change, registered.render(now));
        changed.insert(place);
        drop(changed);
        self.arrivals.notify_waiters();
        Ok(())
    }

    /// Puts back what was written down before a restart, unless it has registered again by itself.
    pub fn restore(&self, namespace: &Namespace, registered: Registered) {
        let _turn = self.turn();
        let Service { name, version, .. } = &*registered.service;
        let known = self
            .space(namespace.id)
            .is_some_and(|s| s.services.get(name).is_some_and(|v| v.contains_key(version)));
        if !known {
            self.put(namespace, registered);
        }
    }

    /// Ends the leases that `ends` picks, in one namespace or in all; a version without nodes is gone.
    pub fn remove(&self, within: Option<NamespaceId>, now: OffsetDateTime, ends: impl Fn(&Registered, &Lease) -> bool) {
        let mut changed = self.turn();
        let spaces = match within {
            Some(namespace) => self.space(namespace).into_iter().collect(),
            None => self.spaces(),
        };
        for space in spaces {
            for registered in space.services.values().flat_map(BTreeMap::values) {
                let mut left = registered.clone();
                left.nodes.retain(|lease| !ends(registered, lease));
                if left.nodes.len() == registered.nodes.len() {
                    continue;
                }
                let Service { name, version, .. } = &*left.service;
                changed.insert((space.namespace.id, name.clone(), version.clone()));
                let (change, service) = match left.nodes.is_empty() {
                    true => (Change::Delete, registered.render(now)),
                    false => (Change::Update, left.render(now)),
                };
                self.put(&space.namespace, left);
                self.watchers.tell(space.namespace.id, change, service);
            }
        }
    }

    /// Ends the leases that have run out.
    pub fn expire(&self, now: OffsetDateTime) {
        self.remove(None, now, |_, lease| !lease.lives(now));
    }

    /// What has changed since this was last asked.
    pub fn take_changed(&self) -> Vec<Place> {
        self.turn().drain().collect()
    }

    /// What was taken, and could not be written down.
    pub fn still_changed(&self, places: Vec<Place>) {
        self.turn().extend(places);
    }

    fn turn(&self) -> MutexGuard<'_, HashSet<Place>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps in one version; without nodes, takes it out. Only in one's turn.
    fn put(&self, namespace: &Namespace, registered: Registered) {
        let mut spaces = Snapshot::clone(&self.spaces.load());
        let empty = || {
            Arc::new(Space {
                namespace: namespace.clone(),
                services: BTreeMap::new(),
            })
        };
        let space = Arc::make_mut(spaces.entry(namespace.id).or_insert_with(empty));
        let Service { name, version, .. } = (*registered.service).clone();
        let versions = space.services.entry(name.clone()).or_default();
        match registered.nodes.is_empty() {
            true => versions.remove(&version),
            false => versions.insert(version, registered),
        };
        if versions.is_empty() {
            space.services.remove(&name);
        }
        if space.services.is_empty() {
            spaces.remove(&namespace.id);
        }
        self.spaces.store(Arc::new(spaces));
    }
}

/// Renews the leases if each of them is the same as before.
fn renewed(version: &Registered, leases: &[Lease], now: OffsetDateTime) -> bool {
    let same = |lease: &Lease| {
        version
            .nodes
            .iter()
            .find(|known| known.is_same(&lease.node, lease.instance) && known.lives(now))
    };
    let Some(known) = leases.iter().map(same).collect::<Option<Vec<_>>>() else {
        return false;
    };
    known
        .iter()
        .zip(leases)
        .for_each(|(known, lease)| known.renew(lease.ttl(), now));
    true
}

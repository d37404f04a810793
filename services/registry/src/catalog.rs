//! What is registered, as a snapshot that is swapped on change. Renewing a lease is no change.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use micro_domain::{InstanceId, Limits, Namespace, NamespaceId};
use micro_proto::registry::Service;
use micro_tenancy::LimitReached;
use prost::Message;
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::{
    RegistryError,
    error::at_most,
    history::{Change, Histories, locked},
    lease::Lease,
};

/// One version of a service.
#[derive(Clone)]
pub struct Registered {
    /// As registered, without nodes.
    pub service: Arc<Service>,
    /// Its nodes, by id.
    pub nodes: Vec<Arc<Lease>>,
    /// The last change to it, by number.
    pub changed: u64,
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

impl Space {
    /// Every version of every service.
    pub fn all(&self) -> impl Iterator<Item = &Registered> {
        self.services.values().flat_map(BTreeMap::values)
    }

    /// How many versions, and how many nodes they have.
    pub fn count(&self) -> (u64, u64) {
        self.all().fold((0, 0), |(versions, nodes), registered| {
            (versions + 1, nodes + registered.nodes.len() as u64)
        })
    }
}

/// One version of a service of a namespace.
pub type Place = (NamespaceId, String, String);

type Snapshot = HashMap<NamespaceId, Arc<Space>>;

/// Everything registered.
pub struct Catalog {
    limits: Limits,
    spaces: ArcSwap<Snapshot>,
    /// What has changed since it was written down. Its lock is the writers' turn.
    changed: Mutex<HashSet<Place>>,
    /// Told of each new node.
    pub arrivals: Notify,
    /// What happened lately.
    pub histories: Histories,
}

impl Catalog {
    /// An empty one, of which each namespace may fill so much.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            spaces: ArcSwap::default(),
            changed: Mutex::default(),
            arrivals: Notify::new(),
            histories: Histories::default(),
        }
    }

    /// The services of a namespace.
    pub fn space(&self, namespace: NamespaceId) -> Option<Arc<Space>> {
        self.spaces.load().get(&namespace).cloned()
    }

    /// The services of a namespace, and the revision they are of: empty where nothing ever was.
    pub fn as_of(&self, namespace: NamespaceId) -> (Option<Arc<Space>>, String) {
        let Some(history) = self.histories.find(namespace) else {
            return (self.space(namespace), String::new());
        };
        let history = locked(&history);
        (self.space(namespace), history.revision(history.last()))
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
        let (versions, all_nodes) = known.as_ref().map_or((0, 0), |space| space.count());
        if version.is_none() {
            LimitReached::check(self.limits.registrations, versions)?;
        }
        let change = if version.is_some() {
            Change::Update
        } else {
            Change::Create
        };
        let mut nodes = version.map_or_else(Vec::new, |v| v.nodes.clone());
        let before = nodes.len();
        for lease in leases {
            nodes.retain(|known| known.node.id != lease.node.id && known.lives(now));
            nodes.push(Arc::new(lease));
        }
        let others = all_nodes - before as u64;
        if nodes.len() > before && others + nodes.len() as u64 > self.limits.nodes.max {
            return Err(LimitReached::new(self.limits.nodes, all_nodes).into());
        }
        nodes.sort_by(|a, b| a.node.id.cmp(&b.node.id));
        let place = (namespace.id, service.name.clone(), service.version.clone());
        let registered = Registered {
            service: Arc::new(service),
            nodes,
            changed: 0,
        };
        let told = registered.render(now);
        at_most(self.limits.registration_bytes, told.encoded_len())?;
        changed.insert(place);
        self.change(namespace, registered, change, told, now);
        drop(changed);
        self.arrivals.notify_waiters();
        Ok(())
    }

    /// Puts back what was written down before a restart, unless it has registered again by itself.
    pub fn restore(&self, found: impl IntoIterator<Item = (Namespace, Registered)>) {
        let _turn = self.turn();
        // One copy for all that is found.
        let mut spaces = Snapshot::clone(&self.spaces.load());
        for (namespace, registered) in found {
            let Service { name, version, .. } = &*registered.service;
            let space = spaces.get(&namespace.id);
            let known = space.is_some_and(|s| s.services.get(name).is_some_and(|v| v.contains_key(version)));
            if !known {
                let changed = locked(&self.histories.of(namespace.id)).skip();
                put(&mut spaces, &namespace, Registered { changed, ..registered });
            }
        }
        self.spaces.store(Arc::new(spaces));
    }

    /// Ends the leases that `ends` picks, in one namespace or in all; a version without nodes is gone.
    pub fn remove(&self, within: Option<NamespaceId>, now: OffsetDateTime, ends: impl Fn(&Registered, &Lease) -> bool) {
        self.remove_in(&mut self.turn(), within, now, ends);
    }

    fn remove_in(
        &self,
        changed: &mut HashSet<Place>,
        within: Option<NamespaceId>,
        now: OffsetDateTime,
        ends: impl Fn(&Registered, &Lease) -> bool,
    ) {
        let spaces = match within {
            Some(namespace) => self.space(namespace).into_iter().collect(),
            None => self.spaces(),
        };
        for space in spaces {
            for registered in space.all() {
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
                self.change(&space.namespace, left, change, service, now);
            }
        }
    }

    /// Ends everything in a namespace that is no more: whoever watches it too.
    pub fn end(&self, namespace: NamespaceId, now: OffsetDateTime) {
        let mut changed = self.turn();
        self.remove_in(&mut changed, Some(namespace), now, |_, _| true);
        self.histories.remove(namespace);
    }

    /// Empties it; nobody is told of services that only went elsewhere.
    pub fn clear(&self) {
        let mut changed = self.turn();
        changed.clear();
        self.spaces.store(Arc::default());
        self.histories.clear();
    }

    /// Ends the leases that have run out, and forgets what happened long ago.
    pub fn expire(&self, now: OffsetDateTime) {
        let mut changed = self.turn();
        self.remove_in(&mut changed, None, now, |_, lease| !lease.lives(now));
        let spaces = self.spaces.load();
        self.histories
            .forget_old(now, |namespace| spaces.contains_key(namespace));
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

    /// Makes a change, and tells of it. Only in one's turn.
    fn change(
        &self,
        namespace: &Namespace,
        registered: Registered,
        change: Change,
        told: Service,
        now: OffsetDateTime,
    ) {
        let history = self.histories.of(namespace.id);
        let mut history = locked(&history);
        let changed = history.next();
        self.put(namespace, Registered { changed, ..registered });
        history.push(change, told, now);
    }

    /// Swaps in one version; without nodes, takes it out. Only in one's turn.
    fn put(&self, namespace: &Namespace, registered: Registered) {
        let mut spaces = Snapshot::clone(&self.spaces.load());
        put(&mut spaces, namespace, registered);
        self.spaces.store(Arc::new(spaces));
    }
}

fn put(spaces: &mut Snapshot, namespace: &Namespace, registered: Registered) {
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

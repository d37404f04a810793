//! One watch: told each change after the last one it was told of. It holds no backlog, only what it has told: one that
//! falls further behind than the history goes is told the difference to what there is.

use std::{collections::BTreeMap, sync::Arc};

use futures::{Stream, stream};
use micro_clock::Clock;
use micro_domain::NamespaceId;
use micro_error::Error;
use micro_limits::Permit;
use micro_proto::registry::{Result as Event, Service};
use time::OffsetDateTime;
use tokio::sync::watch::Receiver;

use crate::{
    RegistryError,
    catalog::{Catalog, Registered, Space},
    history::{Change, Changed, History, locked},
};

const ID: &str = "registry.Registry.Watch";

/// What a watch begins with where it cannot go on from what its client knows.
pub const RESYNC: &str = "resync";

/// What is watched.
pub struct Watched {
    /// Where.
    pub namespace: NamespaceId,
    /// One service, or all where it is empty.
    pub service: String,
}

impl Watched {
    fn takes(&self, name: &str) -> bool {
        self.service.is_empty() || self.service == name
    }
}

/// A version, by the service's name and its own.
type Name = (String, String);

pub struct Watch {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    watched: Watched,
    _counted: Permit<NamespaceId>,
    news: Receiver<()>,
    epoch: Arc<str>,
    /// It knows of all changes up to this one,
    at: u64,
    /// unless it is being told the difference.
    behind: bool,
    /// What its client has been told is there, and as of which change.
    told: BTreeMap<Name, u64>,
}

impl Watch {
    /// Goes on after `revision`; from nothing where that is not known.
    pub fn begin(
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        watched: Watched,
        revision: &str,
        counted: Permit<NamespaceId>,
    ) -> Self {
        let (shared, news) = catalog.histories.follow(watched.namespace);
        let history = locked(&shared);
        let space = catalog.space(watched.namespace);
        let known = history
            .number(revision)
            .and_then(|at| Some((at, known_at(at, &history, space.as_deref(), &watched)?)));
        let epoch = history.epoch().clone();
        drop(history);
        let behind = known.is_none();
        let (at, told) = known.unwrap_or_default();
        Self {
            catalog,
            clock,
            watched,
            _counted: counted,
            news,
            epoch,
            at,
            behind,
            told,
        }
    }

    /// Whether it begins with all there is.
    pub fn is_from_nothing(&self) -> bool {
        self.behind
    }

    /// What it tells, until its namespace or its server has gone.
    pub fn events(self) -> impl Stream<Item = Result<Event, Error>> + Send + 'static {
        stream::unfold(Some(self), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(event) => Some((Ok(event), Some(watch))),
                Err(ended) => Some((Err(ended.at(ID)), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Event, RegistryError> {
        loop {
            // Before looking: what comes meanwhile is news.
            self.news.borrow_and_update();
            if let Some(event) = self.look()? {
                return Ok(event);
            }
            self.news.changed().await.map_err(|_| RegistryError::Ended)?;
        }
    }

    /// The next event, if there is one now.
    fn look(&mut self) -> Result<Option<Event>, RegistryError> {
        let shared = self.catalog.histories.find(self.watched.namespace);
        let shared = shared.ok_or(RegistryError::Ended)?;
        let history = locked(&shared);
        if *history.epoch() != self.epoch {
            return Err(RegistryError::Ended);
        }
        if !self.behind {
            match history.since(self.at) {
                Ok(changes) => {
                    let changed = self.first_of(changes).cloned();
                    let revision = changed.as_ref().map(|changed| history.revision(changed.number));
                    // Events are made after the lock is given back: they may be long.
                    drop(history);
                    let made = |changed: Arc<Changed>| {
                        event(changed.change, changed.service.clone(), revision.unwrap_or_default())
                    };
                    return Ok(changed.map(made));
                }
                Err(_) => self.behind = true,
            }
        }
        let space = self.catalog.space(self.watched.namespace);
        let difference = self.difference(space.as_deref());
        let revision = match &difference {
            Some(Difference::There(_, registered)) => history.revision(registered.changed),
            Some(Difference::Gone(_)) => String::new(),
            None => {
                (self.at, self.behind) = (history.last(), false);
                return Ok(None);
            }
        };
        drop(history);
        Ok(difference.map(|difference| difference.event(revision, self.clock.now())))
    }

    /// The first change that is for this watch, and not told already in a difference.
    fn first_of<'c>(&mut self, changes: impl Iterator<Item = &'c Arc<Changed>>) -> Option<&'c Arc<Changed>> {
        for changed in changes {
            self.at = changed.number;
            let name = name_of(&changed.service);
            if !self.watched.takes(&name.0) || self.told.get(&name).is_some_and(|told| *told >= changed.number) {
                continue;
            }
            match changed.change {
                Change::Delete => self.told.remove(&name),
                Change::Create | Change::Update => self.told.insert(name, changed.number),
            };
            return Some(changed);
        }
        None
    }

    /// One difference between what was told and what there is: what is gone, without a revision since there may be
    /// more of it; then what is there, in the order of revisions, so that a client can go on from any of them.
    fn difference(&mut self, space: Option<&Space>) -> Option<Difference> {
        let there = |(name, version): &Name| {
            space.is_some_and(|s| s.services.get(name).is_some_and(|v| v.contains_key(version)))
        };
        if let Some(gone) = self.told.keys().find(|name| !there(name)).cloned() {
            self.told.remove(&gone);
            return Some(Difference::Gone(gone));
        }
        let now = self.clock.now();
        let news = |registered: &&Registered| {
            self.watched.takes(&registered.service.name)
                && self
                    .told
                    .get(&name_of(&registered.service))
                    .is_none_or(|told| *told < registered.changed)
                // What has only lapsed leases is about to go.
                && registered.nodes.iter().any(|lease| lease.lives(now))
        };
        let registered = space?.all().filter(news).min_by_key(|registered| registered.changed)?;
        let told = self.told.insert(name_of(&registered.service), registered.changed);
        let change = if told.is_some() { Change::Update } else { Change::Create };
        Some(Difference::There(change, registered.clone()))
    }
}

/// Something that a client knows otherwise than it is.
enum Difference {
    Gone(Name),
    There(Change, Registered),
}

impl Difference {
    fn event(self, revision: String, now: OffsetDateTime) -> Event {
        match self {
            Self::Gone((name, version)) => {
                let service = Service {
                    name,
                    version,
                    ..Default::default()
                };
                event(Change::Delete, service, revision)
            }
            Self::There(change, registered) => event(change, registered.render(now), revision),
        }
    }
}

/// What there was as of a change, if all since is remembered.
fn known_at(at: u64, history: &History, space: Option<&Space>, watched: &Watched) -> Option<BTreeMap<Name, u64>> {
    let all = space
        .into_iter()
        .flat_map(Space::all)
        .map(|registered| &registered.service);
    let all = all.filter(|service| watched.takes(&service.name));
    let mut known: BTreeMap<Name, u64> = all.map(|service| (name_of(service), at)).collect();
    for changed in history.since(at).ok()?.rev() {
        let name = name_of(&changed.service);
        match changed.change {
            Change::Create => known.remove(&name),
            Change::Update | Change::Delete if watched.takes(&name.0) => known.insert(name, at),
            Change::Update | Change::Delete => None,
        };
    }
    Some(known)
}

fn name_of(service: &Service) -> Name {
    (service.name.clone(), service.version.clone())
}

fn event(change: Change, service: Service, revision: String) -> Event {
    Event {
        action: change.as_str().into(),
        service: Some(service),
        timestamp: 0,
        revision,
    }
}

/// What a watch begins with that is told all there is: that it is, where its client knows something, and services that
/// never change while this runs.
pub fn beginning(resync: bool, core: impl Iterator<Item = Service>) -> Vec<Event> {
    let marker = resync.then(|| Event {
        action: RESYNC.into(),
        ..Default::default()
    });
    let core = core.map(|service| event(Change::Create, service, String::new()));
    marker.into_iter().chain(core).collect()
}

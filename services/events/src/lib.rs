//! Durable streams of events, each namespace's own: published with an id, kept for a while, read by number or time.
//!
//! A group's members share its events in order, one at a time: an event that is refused comes again until its limit,
//! then the group goes on without it, and it is kept as a dead letter. What a group has done is written down before
//! it goes on, so that it resumes where it was after a restart of either side.
//!
//! `grpc` and `door` are the doors, `app` the operations, `group` those who share, `store` what is written down.

mod app;
mod append;
mod door;
mod error;
mod group;
mod grpc;
mod heads;
mod place;
mod store;
mod turns;

use std::{sync::Arc, time::Duration as Patience};

use micro_clock::{Clock, Ids};
use micro_domain::{Limits, NamespaceId};
use micro_limits::{InFlight, Limiter, Rations};
use micro_proto::events::{GroupsServer, StoreServer, TopicsServer};
use micro_rpc::Service;
use micro_storage::{StoreError, log::Log, records::Records};
use micro_tenancy::{Authority, bounded::Bounded};
use time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

pub use error::EventsError;

use crate::{
    append::Appender,
    door::StreamDoor,
    group::Roster,
    heads::Heads,
    place::TopicKey,
    store::{SAYS_SO, Stored},
    turns::Turns,
};

/// How long an event is kept, where its topic does not outgrow `topic.bytes` before.
pub const RETENTION: Duration = Duration::days(7);
/// How many dead letters a group keeps; the oldest make room. They outlive their event's topic.
pub const DEAD_LETTERS: u64 = 1_000;
/// How long a dead letter is kept.
pub const DEAD_LETTER_RETENTION: Duration = Duration::days(30);
/// The most events a page of the event store holds.
pub const PAGE: u64 = 1_000;

/// How often the head of a topic is looked at where other servers publish too.
const POLL: Patience = Patience::from_secs(1);
/// Producers that are remembered at once.
const PRODUCERS: usize = 50_000;

/// What events stand on: boot fills it.
pub struct Parts {
    /// Where events are.
    pub log: Arc<dyn Log>,
    /// Where groups, producers and dead letters are.
    pub records: Arc<dyn Records>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// To find what has grown old in every namespace.
    pub authority: Authority,
    /// Counts what is published, with other replicas if there are any.
    pub limiter: Arc<dyn Limiter>,
    /// How much a namespace may do and keep.
    pub limits: Limits,
    /// Whether other servers publish to the same log: then heads are polled, and one replica at a time serves a group.
    pub shared: bool,
}

/// Events. Clones are the same service.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    stored: Stored,
    heads: Heads,
    appender: Appender,
    roster: Roster,
    consumers: InFlight<NamespaceId>,
    rations: Arc<Rations>,
    producers: Turns<(TopicKey, String)>,
    /// The last event of a producer that is known to be in the log.
    finished: Arc<Bounded<(TopicKey, String), u64>>,
}

impl App {
    /// The service on its parts.
    pub fn new(parts: Parts) -> Self {
        let rate = parts.limits.events_per_second;
        let rations = Rations::per_second(parts.limiter.clone(), rate.name, rate.max);
        let parts = Arc::new(parts);
        let stored = Stored::new(parts.clone(), boot_id());
        let heads = Heads::default();
        Self {
            appender: Appender::new(stored.clone(), heads.clone()),
            parts,
            stored,
            heads,
            roster: Roster::default(),
            consumers: InFlight::default(),
            rations: Arc::new(rations),
            producers: Turns::default(),
            finished: Arc::new(Bounded::new(PRODUCERS)),
        }
    }

    /// What it answers over gRPC.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        let app = Arc::new(self.clone());
        vec![
            Arc::new(StreamDoor::new(app.clone())),
            Arc::new(StoreServer::new(app.clone())),
            Arc::new(GroupsServer::new(app.clone())),
            Arc::new(TopicsServer::new(app)),
        ]
    }

    /// Says that this replica lives, and removes what has grown old, until it is dropped: boot spawns it.
    pub async fn keep(self) {
        // Beside each other: a long sweep must not make the others believe that this replica is dead.
        let lives = every(SAYS_SO, || self.stored.say_alive());
        let sweeps = every(Patience::from_secs(600), || self.sweep());
        tokio::join!(lives, sweeps);
    }
}

/// Does something again and again.
async fn every<F: Future<Output = Result<(), StoreError>>>(period: Patience, housekeeping: impl Fn() -> F) {
    let mut due = interval(period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(error) = housekeeping().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "events: housekeeping failed, and is tried again");
        }
    }
}

/// Names this process among replicas.
fn boot_id() -> Uuid {
    Ids.random()
}

//! One service as the runtime holds it: what is wanted of it, what is seen of it, and the news of its latest release.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use micro_domain::Namespace;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::{
    feed::Feed,
    layout::Home,
    state::{ServiceId, ServiceRecord, Status},
};

/// What is wanted of a service.
#[derive(Clone, Debug)]
pub(crate) enum Desired {
    /// To run as recorded.
    Running(Box<ServiceRecord>),
    /// To end and be forgotten.
    Gone,
    /// To end with the server, and run again with the next.
    Paused,
}

/// What is seen of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) status: Status,
    /// Why the last release failed, or why it is not running.
    pub(crate) error: Option<String>,
    /// The artifact that serves.
    pub(crate) build: Option<String>,
}

/// One service. Its supervisor is the only one that starts and stops anything for it.
pub(crate) struct Service {
    pub(crate) namespace: Namespace,
    pub(crate) id: ServiceId,
    pub(crate) home: Home,
    pub(crate) uid_base: u32,
    pub(crate) desired: watch::Sender<Desired>,
    /// Turns true when the supervisor has ended.
    pub(crate) over: watch::Sender<bool>,
    observed: Mutex<Observed>,
    feed: Mutex<Arc<Feed>>,
    /// For fetching private repositories; never stored.
    git_credentials: Mutex<Option<SecretString>>,
}

impl Service {
    pub(crate) fn new(
        namespace: Namespace,
        home: Home,
        uid_base: u32,
        record: ServiceRecord,
        git: Option<SecretString>,
    ) -> Arc<Self> {
        let observed = Observed {
            status: Status::Pending,
            error: None,
            build: None,
        };
        Arc::new(Self {
            namespace,
            id: record.id.clone(),
            home,
            uid_base,
            feed: Mutex::new(Feed::of(record.wanted)),
            desired: watch::Sender::new(Desired::Running(Box::new(record))),
            over: watch::Sender::new(false),
            observed: observed.into(),
            git_credentials: git.into(),
        })
    }

    /// Asks for the record as it is now, unless a later one was asked for meanwhile. A new release gets a feed of its own
    /// at once, so that nobody who asked for it is told of the one before.
    pub(crate) fn want(&self, record: ServiceRecord, git: Option<SecretString>, now: time::OffsetDateTime) {
        if git.is_some() {
            *lock(&self.git_credentials) = git;
        }
        self.desired.send_if_modified(|desired| {
            if matches!(desired, Desired::Running(known) if known.wanted >= record.wanted) {
                return false;
            }
            let mut feed = lock(&self.feed);
            feed.stopped(now);
            *feed = Feed::of(record.wanted);
            *desired = Desired::Running(Box::new(record));
            true
        });
    }

    pub(crate) fn feed(&self) -> Arc<Feed> {
        lock(&self.feed).clone()
    }

    pub(crate) fn observed(&self) -> Observed {
        lock(&self.observed).clone()
    }

    pub(crate) fn observe(&self, change: impl FnOnce(&mut Observed)) {
        change(&mut lock(&self.observed));
    }

    pub(crate) fn git_credentials(&self) -> Option<SecretString> {
        lock(&self.git_credentials).clone()
    }

    /// Ends the service for good and waits until nothing is left of it.
    pub(crate) async fn erase(&self) {
        self.desired.send_replace(Desired::Gone);
        self.ended().await;
    }

    /// Waits for the supervisor's end.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Whether it is to be forgotten.
    pub(crate) fn is_going(&self) -> bool {
        matches!(*self.desired.borrow(), Desired::Gone | Desired::Paused)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

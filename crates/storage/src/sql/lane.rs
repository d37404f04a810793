//! A lane: what many callers want stored goes into one commit. What waits while a commit runs goes into the next one,
//! taken in turns of namespaces, so that nobody's burst keeps another waiting for more than a commit.
//!
//! Where a commit fails, its namespaces go on apart from the lane and from each other: each on a connection of its own,
//! its members together and then one by one. A namespace that found itself locked out stays apart for a while. What is
//! too big for a shared commit never enters one.

mod queues;

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use micro_domain::NamespaceId;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use self::queues::{Queues, Way};
use super::hot::{CallError, Over};
use crate::{StoreError, db::retrying};

/// How long a namespace stays apart after it waited for a lock in vain.
const APART: Duration = Duration::from_secs(5);

/// How often a commit lets others go on before it begins, at most.
const YIELDS: usize = 4;

/// How much one job stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Rows.
    pub rows: usize,
    /// Bytes, roughly.
    pub bytes: usize,
}

/// What bounds a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// One commit.
    pub commit: Size,
    /// A job that is bigger goes apart.
    pub big: Size,
    /// What may wait, of one namespace.
    pub waiting: Size,
    /// What may wait in all.
    pub all: Size,
}

/// Something to store.
pub(super) trait Job: Send + Sync + 'static {
    /// What its caller learns.
    type Outcome: Send + 'static;

    fn namespace(&self) -> NamespaceId;
    fn size(&self) -> Size;
}

/// Who stores.
#[async_trait]
pub(super) trait Store: Send + Sync + 'static {
    type Job: Job;

    /// Stores all of them in one transaction; an outcome each, in their order. None, which only a lane may get, for one
    /// that was left alone and must go apart.
    async fn store(&self, over: Over, jobs: &[Self::Job]) -> Result<Vec<Option<Outcome<Self::Job>>>, CallError>;
}

/// What a caller learns, or why not.
pub(super) type Outcome<J> = Result<<J as Job>::Outcome, StoreError>;

/// A job, and who waits for it.
struct Entry<J: Job> {
    job: J,
    caller: oneshot::Sender<Outcome<J>>,
}

/// One lane; clones share it.
pub(super) struct Lane<S: Store>(Arc<Inner<S>>);

impl<S: Store> Clone for Lane<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<S: Store> {
    store: S,
    over: Over,
    runtime: Handle,
    queues: Mutex<Queues<Entry<S::Job>>>,
}

impl<S: Store> Lane<S> {
    pub fn new(store: S, over: Over, bounds: Bounds, runtime: Handle) -> Self {
        let queues = Mutex::new(Queues::new(bounds));
        Self(Arc::new(Inner {
            store,
            over,
            runtime,
            queues,
        }))
    }

    /// Stores it; returns when it is durable. [`StoreError::Busy`] when too much waits already.
    pub async fn run(&self, job: S::Job) -> Outcome<S::Job> {
        let (namespace, size) = (job.namespace(), job.size());
        let (caller, answer) = oneshot::channel();
        let now = Instant::now();
        let way = self.0.queues().push(namespace, size, Entry { job, caller }, now)?;
        match way {
            Way::Waits => {}
            Way::Leads => drop(self.0.runtime.spawn(self.0.clone().lead())),
            Way::GoesApart => drop(self.0.runtime.spawn(self.0.clone().go_apart(namespace))),
        }
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Failed("the database's connections have been closed".into())))
    }
}

impl<S: Store> Inner<S> {
    fn queues(&self) -> MutexGuard<'_, Queues<Entry<S::Job>>> {
        self.queues.lock().expect("no panic while holding the queues")
    }

    /// Commits what waits until nothing does.
    async fn lead(self: Arc<Self>) {
        let mut leading = Leading(Some(&self));
        loop {
            self.gather().await;
            let entries = self.queues().take();
            if entries.is_empty() {
                leading.0 = None;
                return;
            }
            self.commit(entries).await;
        }
    }

    /// Whoever has just been answered may have more, which comes into this commit: the lead lets the others go on as
    /// long as that brings something, since what misses a commit waits for the whole of it.
    async fn gather(&self) {
        for _ in 0..YIELDS {
            let before = self.queues().arrived();
            tokio::task::yield_now().await;
            if self.queues().arrived() == before {
                return;
            }
        }
    }

    async fn commit(self: &Arc<Self>, entries: Vec<Entry<S::Job>>) {
        let (jobs, callers): (Vec<_>, Vec<_>) = entries.into_iter().map(|entry| (entry.job, entry.caller)).unzip();
        match self.store.store(self.over, &jobs).await {
            Ok(outcomes) => {
                let mut left = Vec::new();
                for ((job, caller), outcome) in jobs.into_iter().zip(callers).zip(outcomes) {
                    match outcome {
                        // Nobody waits any more where the caller has given up.
                        Some(outcome) => drop(caller.send(outcome)),
                        None => left.push(Entry { job, caller }),
                    }
                }
                self.set_apart(left);
            }
            Err(error) if error.is_undone() => {
                let entries = jobs.into_iter().zip(callers);
                self.set_apart(entries.map(|(job, caller)| Entry { job, caller }).collect());
            }
            Err(error) => fail(callers, error.into()),
        }
    }

    fn set_apart(self: &Arc<Self>, entries: Vec<Entry<S::Job>>) {
        if entries.is_empty() {
            return;
        }
        let entries = entries.into_iter();
        let entries = entries.map(|entry| (entry.job.namespace(), entry.job.size(), entry));
        let apart = self.queues().set_apart(entries);
        for namespace in apart {
            self.runtime.spawn(self.clone().go_apart(namespace));
        }
    }

    /// Stores what a namespace has apart from the lane, until nothing is left.
    async fn go_apart(self: Arc<Self>, namespace: NamespaceId) {
        let mut working = Working(Some((self.clone(), namespace)));
        loop {
            let mut entries = self.queues().take_apart(namespace);
            match entries.len() {
                0 => {
                    working.0 = None;
                    return;
                }
                1 => {}
                _ => entries = self.commit_apart(entries).await,
            }
            for entry in entries {
                self.commit_alone(namespace, entry).await;
            }
        }
    }

    /// All of them together, on a connection of their own; gives back those that must go one by one.
    async fn commit_apart(&self, entries: Vec<Entry<S::Job>>) -> Vec<Entry<S::Job>> {
        let (jobs, callers): (Vec<_>, Vec<_>) = entries.into_iter().map(|entry| (entry.job, entry.caller)).unzip();
        match self.store.store(Over::Own, &jobs).await {
            Ok(outcomes) => answer(callers, outcomes),
            Err(error) if error.is_undone() => {
                let entries = jobs.into_iter().zip(callers);
                return entries.map(|(job, caller)| Entry { job, caller }).collect();
            }
            Err(error) => fail(callers, error.into()),
        }
        Vec::new()
    }

    async fn commit_alone(&self, namespace: NamespaceId, entry: Entry<S::Job>) {
        let Entry { job, caller } = entry;
        let jobs = [job];
        let stored = retrying(|| async { Ok(self.store.store(Over::Own, &jobs).await?.pop()) }).await;
        if matches!(stored, Err(StoreError::Busy(_))) {
            self.queues().keep_apart(namespace, Instant::now() + APART);
        }
        // Nobody waits any more where the caller has given up.
        let _ = caller.send(stored.and_then(|outcome| outcome.flatten().unwrap_or_else(missing)));
    }
}

fn answer<T>(callers: Vec<oneshot::Sender<Result<T, StoreError>>>, outcomes: Vec<Option<Result<T, StoreError>>>) {
    for (caller, outcome) in callers.into_iter().zip(outcomes) {
        let _ = caller.send(outcome.unwrap_or_else(missing));
    }
}

fn missing<T>() -> Result<T, StoreError> {
    Err(StoreError::Damaged("the database left out an outcome".into()))
}

/// Everybody's commit failed, and cannot be run again: what became of it is not known.
fn fail<T>(callers: Vec<oneshot::Sender<Result<T, StoreError>>>, error: StoreError) {
    let words = error.to_string();
    let mut first = Some(error);
    for caller in callers {
        let same = || StoreError::Failed(words.clone().into());
        let _ = caller.send(Err(first.take().unwrap_or_else(same)));
    }
}

/// Gives up the lead when its task ends by a panic: the next caller leads.
struct Leading<'i, S: Store>(Option<&'i Inner<S>>);

impl<S: Store> Drop for Leading<'_, S> {
    fn drop(&mut self) {
        if let Some(inner) = mem::take(&mut self.0) {
            inner.queues().give_up_lead();
        }
    }
}

/// Goes on with what a namespace has apart when the task that worked it off ends by a panic: what that one held is
/// failed, the rest is stored.
struct Working<S: Store>(Option<(Arc<Inner<S>>, NamespaceId)>);

impl<S: Store> Drop for Working<S> {
    fn drop(&mut self) {
        if let Some((inner, namespace)) = mem::take(&mut self.0) {
            let runtime = inner.runtime.clone();
            runtime.spawn(inner.go_apart(namespace));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics at what is not well.
    struct Fragile;

    struct Big {
        well: bool,
    }

    impl Job for Big {
        type Outcome = ();

        fn namespace(&self) -> NamespaceId {
            uuid::Uuid::from_u128(7).to_string().parse().expect("an id")
        }

        fn size(&self) -> Size {
            Size { rows: 2, bytes: 2 }
        }
    }

    #[async_trait]
    impl Store for Fragile {
        type Job = Big;

        async fn store(&self, _over: Over, jobs: &[Big]) -> Result<Vec<Option<Outcome<Big>>>, CallError> {
            assert!(jobs.iter().all(|job| job.well), "not well");
            Ok(jobs.iter().map(|_| Some(Ok(()))).collect())
        }
    }

    #[tokio::test]
    async fn a_panic_apart_fails_what_it_held_and_keeps_nothing_else_waiting() {
        let one = Size { rows: 1, bytes: 1 };
        let many = Size { rows: 9, bytes: 9 };
        // One goes apart, and into a commit of its own.
        let bounds = Bounds {
            commit: one,
            big: one,
            waiting: many,
            all: many,
        };
        let lane = Lane::new(Fragile, Over::Own, bounds, Handle::current());
        let (broken, beside) = tokio::join!(lane.run(Big { well: false }), lane.run(Big { well: true }));
        assert!(matches!(broken, Err(StoreError::Failed(_))), "{broken:?}");
        assert!(beside.is_ok(), "{beside:?}");
        assert!(lane.run(Big { well: true }).await.is_ok(), "it works as before");
    }
}

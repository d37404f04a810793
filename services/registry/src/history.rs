//! What changed in each namespace lately, numbered: what watches are told from. Bounded by number, bytes and age;
//! whoever is further behind is told the difference between what it knows and what there is.

use std::{
    collections::{HashMap, VecDeque, vec_deque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use micro_clock::Ids;
use micro_domain::NamespaceId;
use micro_proto::registry::Service;
use prost::Message;
use time::{Duration, OffsetDateTime};
use tokio::sync::watch::{Receiver, Sender};

/// As many changes of a namespace as are remembered.
pub const CHANGES: usize = 256;
/// As many bytes as they may have together.
pub const BYTES: usize = 1 << 20;
/// For how long.
pub const AGE: Duration = Duration::minutes(15);

/// What happened to a version of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has its first node.
    Create,
    /// Nodes came or went, or it offers something else.
    Update,
    /// It lost its last node.
    Delete,
}

impl Change {
    /// Micro's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One change.
pub struct Changed {
    /// Its place in the history.
    pub number: u64,
    /// What happened,
    pub change: Change,
    /// and to what, as it was then.
    pub service: Service,
    at: OffsetDateTime,
    bytes: usize,
}

/// The changes of one namespace. Numbers mean nothing to another history: a restart begins one.
pub struct History {
    epoch: Arc<str>,
    last: u64,
    changes: VecDeque<Arc<Changed>>,
    bytes: usize,
    news: Sender<()>,
}

/// The changes before these are forgotten.
#[derive(Debug, PartialEq, Eq)]
pub struct Forgotten;

impl Default for History {
    fn default() -> Self {
        Self {
            epoch: Ids.random().simple().to_string().into(),
            last: 0,
            changes: VecDeque::new(),
            bytes: 0,
            news: Sender::default(),
        }
    }
}

impl History {
    /// Which history it is.
    pub fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// The number of the last change.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The number of the change that comes next.
    pub fn next(&self) -> u64 {
        self.last + 1
    }

    /// A change as clients name it.
    pub fn revision(&self, number: u64) -> String {
        format!("{}-{number}", self.epoch)
    }

    /// The number of a change that a client names, if it is one of this history.
    pub fn number(&self, revision: &str) -> Option<u64> {
        let (epoch, number) = revision.rsplit_once('-')?;
        let number = number.parse().ok().filter(|number| *number <= self.last)?;
        (*epoch == *self.epoch).then_some(number)
    }

    /// Adds a change.
    pub fn push(&mut self, change: Change, service: Service, now: OffsetDateTime) {
        self.last += 1;
        let bytes = service.encoded_len();
        self.bytes += bytes;
        self.changes.push_back(Arc::new(Changed {
            number: self.last,
            change,
            service,
            at: now,
            bytes,
        }));
        while self.changes.len() > CHANGES || (self.bytes > BYTES && self.changes.len() > 1) {
            self.forget_one();
        }
        self.news.send_replace(());
    }

    /// Counts a change that nobody is told of: what was there before this history began. Its number.
    pub fn skip(&mut self) -> u64 {
        self.last += 1;
        self.changes.clear();
        self.bytes = 0;
        self.news.send_replace(());
        self.last
    }

    /// What came after a change.
    pub fn since(&self, number: u64) -> Result<vec_deque::Iter<'_, Arc<Changed>>, Forgotten> {
        let behind = usize::try_from(self.last - number).unwrap_or(usize::MAX);
        match self.changes.len().checked_sub(behind) {
            Some(known) => Ok(self.changes.range(known..)),
            None => Err(Forgotten),
        }
    }

    /// Forgets what happened long ago.
    pub fn forget_old(&mut self, now: OffsetDateTime) {
        while self.changes.front().is_some_and(|change| change.at + AGE <= now) {
            self.forget_one();
        }
    }

    /// Whether it knows anything, or anybody waits for news.
    pub fn is_used(&self) -> bool {
        !self.changes.is_empty() || self.news.receiver_count() > 0
    }

    fn forget_one(&mut self) {
        if let Some(forgotten) = self.changes.pop_front() {
            self.bytes -= forgotten.bytes;
        }
    }
}

/// One namespace's history. Its lock is held while a change is made: under it, history and catalogue agree.
pub type Shared = Arc<Mutex<History>>;

/// The histories of all namespaces. One that is taken out ends its watches.
#[derive(Default)]
pub struct Histories(Mutex<HashMap<NamespaceId, Shared>>);

impl Histories {
    /// A namespace's history, if it has one.
    pub fn find(&self, namespace: NamespaceId) -> Option<Shared> {
        self.lock().get(&namespace).cloned()
    }

    /// A namespace's history. Whoever changes it has the catalogue's turn, in which none is taken out.
    pub fn of(&self, namespace: NamespaceId) -> Shared {
        self.lock().entry(namespace).or_default().clone()
    }

    /// The same, with its news: none is taken out that somebody waits for.
    pub fn follow(&self, namespace: NamespaceId) -> (Shared, Receiver<()>) {
        let mut histories = self.lock();
        let history = histories.entry(namespace).or_default().clone();
        let news = locked(&history).news.subscribe();
        (history, news)
    }

    /// Takes out one.
    pub fn remove(&self, namespace: NamespaceId) {
        self.lock().remove(&namespace);
    }

    /// Takes out all.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Forgets what happened long ago, and takes out those of which nothing is left, unless they are `needed`.
    pub fn forget_old(&self, now: OffsetDateTime, needed: impl Fn(&NamespaceId) -> bool) {
        self.lock().retain(|namespace, history| {
            let mut history = locked(history);
            history.forget_old(now);
            history.is_used() || needed(namespace)
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NamespaceId, Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A history, for a short while.
pub fn locked(history: &Shared) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(history: &mut History, bytes: usize) {
        let service = Service {
            name: "x".repeat(bytes),
            ..Default::default()
        };
        history.push(Change::Update, service, OffsetDateTime::UNIX_EPOCH);
    }

    fn numbers(history: &History, since: u64) -> Result<Vec<u64>, Forgotten> {
        Ok(history.since(since)?.map(|change| change.number).collect())
    }

    #[test]
    fn what_came_after_a_change_is_told_while_it_is_remembered() {
        let mut history = History::default();
        (0..3).for_each(|_| push(&mut history, 1));
        assert_eq!(numbers(&history, 0), Ok(vec![1, 2, 3]));
        assert_eq!(numbers(&history, 3), Ok(vec![]));
        let revision = history.revision(2);
        assert_eq!(history.number(&revision), Some(2));
        assert_eq!(history.number(&history.revision(4)), None, "not yet");
        assert_eq!(History::default().number(&revision), None, "another history");
        for nonsense in ["", "-", "2", "x-2", "-2", "💥"] {
            assert_eq!(history.number(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn it_is_bounded_by_number_bytes_and_age() {
        let mut history = History::default();
        (0..=CHANGES).for_each(|_| push(&mut history, 1));
        assert_eq!(numbers(&history, 0), Err(Forgotten));
        assert_eq!(numbers(&history, 1).map(|n| n.len()), Ok(CHANGES));
        (0..20).for_each(|_| push(&mut history, BYTES / 10));
        assert!(
            history.bytes <= BYTES && history.changes.len() == 9,
            "{}",
            history.changes.len()
        );
        push(&mut history, 2 * BYTES);
        assert_eq!(history.changes.len(), 1, "the last one is always known");
        history.forget_old(OffsetDateTime::UNIX_EPOCH + AGE);
        assert!(!history.is_used() && history.bytes == 0);
        assert_eq!(
            numbers(&history, history.last),
            Ok(vec![]),
            "who knows it all misses nothing"
        );
    }

    #[test]
    fn what_was_there_before_is_numbered_and_not_told() {
        let mut history = History::default();
        assert_eq!((history.skip(), history.skip()), (1, 2));
        assert_eq!(numbers(&history, 1), Err(Forgotten));
        push(&mut history, 1);
        assert_eq!(numbers(&history, 2), Ok(vec![3]));
    }
}

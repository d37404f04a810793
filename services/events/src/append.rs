//! Appending to the log: what is published to a topic while an append is under way goes together in the next one.
//! Topics never wait for each other.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use micro_error::Error;
use micro_storage::{StoreError, log::Append};
use tokio::sync::oneshot;

use crate::{
    EventsError,
    heads::Heads,
    place::{Place, TopicKey},
    store::Stored,
};

/// The most entries of one append, and about the most bytes.
const ENTRIES: usize = 1_024;
const BYTES: usize = 1 << 20;

/// Who waits to be told an entry's number.
type Told = oneshot::Sender<Result<u64, Error>>;
/// What waits for a topic's next append.
type Waiting = Vec<(Bytes, Told)>;

/// Appends, one at a time a topic. Clones are the same.
#[derive(Clone)]
pub struct Appender {
    stored: Stored,
    heads: Heads,
    topics: Arc<Mutex<HashMap<TopicKey, Waiting>>>,
}

impl Appender {
    pub fn new(stored: Stored, heads: Heads) -> Self {
        Self {
            stored,
            heads,
            topics: Arc::default(),
        }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<TopicKey, Waiting>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends one entry; its number, once it is durable.
    pub async fn append(&self, place: &Place, entry: Bytes) -> Result<u64, EventsError> {
        let (done, appended) = oneshot::channel();
        if self.put(place, entry, done) {
            tokio::spawn(self.clone().drain(place.clone()));
        }
        let lost = || StoreError::Failed("the append was abandoned".into());
        Ok(appended.await.map_err(|_| lost())??)
    }

    /// Lets an entry wait; whether it is the first, and nobody appends to its topic.
    fn put(&self, place: &Place, entry: Bytes, done: Told) -> bool {
        let mut topics = self.topics();
        let waiting = topics.entry(place.key());
        let idle = matches!(waiting, Entry::Vacant(_));
        waiting.or_default().push((entry, done));
        idle
    }

    /// Appends until nothing waits.
    async fn drain(self, place: Place) {
        while let Some((entries, told)) = self.take(&place) {
            let bytes = entries.iter().map(Bytes::len).sum();
            let count = entries.len() as u64;
            match self.append_all(&place, entries).await {
                Ok(first) => {
                    self.heads.tell(&place.key());
                    for (number, told) in (first..).zip(told) {
                        let _it_may_have_left = told.send(Ok(number));
                    }
                    self.stored.count(&place, first + count, bytes);
                }
                Err(error) => {
                    let error = Error::from(error);
                    for told in told {
                        let _it_may_have_left = told.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// What goes into the next append; none ends the draining.
    fn take(&self, place: &Place) -> Option<(Vec<Bytes>, Vec<Told>)> {
        let mut topics = self.topics();
        let waiting = topics.get_mut(&place.key())?;
        if waiting.is_empty() {
            topics.remove(&place.key());
            return None;
        }
        let mut bytes = 0;
        let fits = |(entry, _): &&(Bytes, _)| {
            bytes += entry.len();
            bytes <= BYTES
        };
        let count = waiting.iter().take(ENTRIES).take_while(fits).count().max(1);
        Some(waiting.drain(..count).unzip())
    }

    async fn append_all(&self, place: &Place, payloads: Vec<Bytes>) -> Result<u64, StoreError> {
        let batch = Append {
            tenant: &place.tenant,
            topic: place.in_log(),
            payloads,
        };
        let parts = &self.stored.parts;
        let mut results = parts.log.append(vec![batch], parts.clock.now()).await;
        let missing = || Err(StoreError::Damaged("an append had no answer".into()));
        results.pop().unwrap_or_else(missing).map(|appended| appended.first)
    }
}

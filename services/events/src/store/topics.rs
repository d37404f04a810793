//! Which topics there are, and what has grown too old or too much in them.

use micro_domain::Namespace;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Scan, Write, Written},
};
use micro_tenancy::{LimitReached, SystemTask, Tenant};
use serde::{Deserialize, Serialize};

use super::{Stored, parse};
use crate::{EventsError, RETENTION, place::Place};

const TOPICS: &str = "events-topics";
const NAMESPACES: &str = "events-namespaces";

/// A topic is trimmed in pieces of this share of its limit.
const PIECES: u64 = 64;

/// How much a topic has taken, at some of its numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Taken {
    /// Bytes ever published.
    bytes: u64,
    /// Number of an event, and the bytes published before it.
    marks: Vec<(u64, u64)>,
}

/// How many topics a namespace has: written with each of them, so that many at once do not pass the limit.
fn count_key() -> Key {
    Key::core("events-topics-count", "topics")
}

impl Stored {
    /// Writes down that there is such a topic, if the namespace may have one more.
    pub async fn ensure_topic(&self, place: &Place) -> Result<(), EventsError> {
        let (records, now) = (&self.parts.records, self.parts.clock.now());
        if self.knows(place, now.unix_timestamp()) {
            return Ok(());
        }
        self.ensure_namespace(place.tenant.namespace()).await?;
        let keys = [Key::core(TOPICS, &*place.topic), count_key()];
        loop {
            let mut found = records.get(&place.tenant, &keys, now).await?.into_iter();
            if found.next().flatten().is_some() {
                break;
            }
            let counted = found.next().flatten();
            let count = self.counted(&place.tenant, counted.as_ref()).await?;
            LimitReached::check(self.parts.limits.topics, count)?;
            let [topic, of_all] = keys.clone();
            let value = serde_json::to_vec(&Taken::default()).map_err(StoreError::failed)?;
            let batch = vec![
                Write::put(topic, value).expecting(Expect::Absent),
                Write::put(of_all, (count + 1).to_string()).expecting(as_read(counted.as_ref())),
            ];
            if let Written::Done(_) = records.write(&place.tenant, batch, now).await? {
                break;
            }
        }
        self.topics.insert(place.key(), now.unix_timestamp());
        Ok(())
    }

    /// Whether the topic is known to be written down: where there are replicas, another may have removed it since.
    fn knows(&self, place: &Place, now: i64) -> bool {
        const BELIEVED: i64 = 5;
        let since = self.topics.get(&place.key());
        // Not where the clock was set back since.
        since.is_some_and(|since| !self.parts.shared || (0..BELIEVED).contains(&(now - since)))
    }

    /// How many topics a namespace has.
    pub async fn count_topics(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        let now = self.parts.clock.now();
        let found = self.parts.records.get(tenant, &[count_key()], now).await?;
        self.counted(tenant, found.into_iter().flatten().next().as_ref()).await
    }

    async fn counted(&self, tenant: &Tenant, found: Option<&Record>) -> Result<u64, StoreError> {
        match found {
            Some(record) => parse("the number of topics", record),
            None => Ok(self.topics_of(tenant, "").await?.len() as u64),
        }
    }

    /// The names of a namespace's topics that begin so, in order.
    pub async fn topics_of(&self, tenant: &Tenant, prefix: &str) -> Result<Vec<String>, StoreError> {
        let topics = self.all(tenant, Scan::core(TOPICS, prefix)).await?;
        Ok(topics.into_iter().map(|record| record.key).collect())
    }

    /// Whether there is such a topic.
    pub async fn has_topic(&self, place: &Place) -> Result<bool, StoreError> {
        let keys = [Key::core(TOPICS, &*place.topic)];
        let now = self.parts.clock.now();
        let found = self.parts.records.get(&place.tenant, &keys, now).await?;
        Ok(found.iter().any(Option::is_some))
    }

    /// Forgets a topic.
    pub async fn remove_topic(&self, place: &Place) -> Result<(), StoreError> {
        let (records, now) = (&self.parts.records, self.parts.clock.now());
        let keys = [Key::core(TOPICS, &*place.topic), count_key()];
        self.topics.remove(&place.key());
        loop {
            let mut found = records.get(&place.tenant, &keys, now).await?.into_iter();
            let Some(topic) = found.next().flatten() else {
                return Ok(());
            };
            let counted = found.next().flatten();
            let count = self.counted(&place.tenant, counted.as_ref()).await?;
            let [key, of_all] = keys.clone();
            let batch = vec![
                Write::delete(key).expecting(Expect::Version(topic.version)),
                Write::put(of_all, count.saturating_sub(1).to_string()).expecting(as_read(counted.as_ref())),
            ];
            if let Written::Done(_) = records.write(&place.tenant, batch, now).await? {
                return Ok(());
            }
        }
    }

    /// Writes down that the namespace has topics: for the sweep.
    async fn ensure_namespace(&self, namespace: &Namespace) -> Result<(), StoreError> {
        if self.namespaces.get(&namespace.id).is_some() {
            return Ok(());
        }
        let value = serde_json::to_vec(namespace).map_err(StoreError::failed)?;
        let write = Write::put(Key::core(NAMESPACES, namespace.id.to_string()), value);
        let now = self.parts.clock.now();
        self.parts.records.write(&self.platform(), vec![write], now).await?;
        self.namespaces.insert(namespace.id, ());
        Ok(())
    }

    /// Counts what was published, up to but without the event `next`; trims the topic when it is too much. Nobody who
    /// publishes waits for it.
    pub fn count(&self, place: &Place, next: u64, bytes: usize) {
        let key = place.key();
        let uncounted = self.uncounted.get(&key).unwrap_or_default() + bytes as u64;
        if uncounted < self.parts.limits.topic_bytes.max / PIECES {
            self.uncounted.insert(key, uncounted);
            return;
        }
        self.uncounted.insert(key.clone(), 0);
        let (stored, place) = (self.clone(), place.clone());
        tokio::spawn(async move {
            if let Err(error) = stored.mark(&place, next, uncounted).await {
                let more = stored.uncounted.get(&key).unwrap_or_default();
                stored.uncounted.insert(key, more + uncounted);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a topic's size was not written down");
            }
        });
    }

    async fn mark(&self, place: &Place, next: u64, bytes: u64) -> Result<(), StoreError> {
        let (records, now) = (&self.parts.records, self.parts.clock.now());
        let key = Key::core(TOPICS, &*place.topic);
        loop {
            let found = records.get(&place.tenant, std::slice::from_ref(&key), now).await?;
            // None where it was deleted meanwhile: whoever publishes next begins it again.
            let Some(found) = found.into_iter().next().flatten() else {
                return Ok(());
            };
            let mut taken: Taken = parse("a topic", &found)?;
            taken.bytes += bytes;
            taken.marks.push((next, taken.bytes));
            let before = taken.trim(self.parts.limits.topic_bytes.max);
            let value = serde_json::to_vec(&taken).map_err(StoreError::failed)?;
            let write = Write::put(key.clone(), value).expecting(Expect::Version(found.version));
            if let Written::Done(_) = records.write(&place.tenant, vec![write], now).await? {
                if let Some(before) = before {
                    self.parts.log.trim(&place.tenant, &place.in_log(), before).await?;
                }
                return Ok(());
            }
        }
    }

    /// Removes what is older than events are kept, of all namespaces. What fails for one is left for the next time.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        for record in self.all(&self.platform(), Scan::core(NAMESPACES, "")).await? {
            if let Err(error) = self.sweep_of(&record).await {
                let (namespace, error) = (&record.key, &error as &dyn std::error::Error);
                tracing::warn!(namespace, error, "old events were not removed, and are next time");
            }
        }
        Ok(())
    }

    /// The same of the namespace that this record tells of.
    async fn sweep_of(&self, record: &Record) -> Result<(), StoreError> {
        let before = self.parts.clock.now() - RETENTION;
        let namespace: Namespace = parse("a namespace with topics", record)?;
        let tenant = self.parts.authority.enter(SystemTask::Sweep, namespace);
        for topic in self.topics_of(&tenant, "").await? {
            let place = Place::named(&tenant, topic);
            let number = self.parts.log.offset_at(&tenant, &place.in_log(), before).await?;
            self.parts.log.trim(&tenant, &place.in_log(), number).await?;
        }
        Ok(())
    }
}

fn as_read(found: Option<&Record>) -> Expect {
    found.map_or(Expect::Absent, |record| Expect::Version(record.version))
}

impl Taken {
    /// Forgets the marks behind which more than `max` bytes lie; the number before which the topic may go.
    fn trim(&mut self, max: u64) -> Option<u64> {
        let gone = self
            .marks
            .iter()
            .take_while(|(_, before)| self.bytes - before >= max)
            .count();
        self.marks.drain(..gone).next_back().map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_leaves_at_least_the_limit() {
        let mut taken = Taken {
            bytes: 100,
            marks: vec![(1, 10), (5, 50), (6, 60), (10, 100)],
        };
        assert_eq!(taken.trim(50), Some(5));
        assert_eq!(taken.marks, [(6, 60), (10, 100)]);
        assert_eq!(taken.trim(50), None);
    }
}

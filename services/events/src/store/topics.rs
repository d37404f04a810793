//! Which topics there are, and what has grown too old or too much in them.

use micro_domain::Namespace;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Scan, Write, Written},
};
use micro_tenancy::SystemTask;
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

impl Stored {
    /// Writes down that there is such a topic, if the namespace may have one more.
    pub async fn ensure_topic(&self, place: &Place) -> Result<(), EventsError> {
        if self.topics.get(&place.key()).is_some() {
            return Ok(());
        }
        self.ensure_namespace(place.tenant.namespace()).await?;
        let (records, now) = (&self.parts.records, self.parts.clock.now());
        let key = Key::core(TOPICS, place.topic.as_str());
        if records.get(&place.tenant, std::slice::from_ref(&key), now).await? == [None] {
            let limit = self.parts.limits.topics;
            let topics = self.all(&place.tenant, Scan::core(TOPICS, "")).await?;
            if topics.len() as u64 >= limit.max {
                return Err(EventsError::Limit(limit));
            }
            let value = serde_json::to_vec(&Taken::default()).map_err(StoreError::failed)?;
            let write = Write::put(key, value).expecting(Expect::Absent);
            let _made_by_another_just_now = records.write(&place.tenant, vec![write], now).await?;
        }
        self.topics.insert(place.key(), ());
        Ok(())
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

    /// Counts what was published, up to but without the event `next`; trims the topic when it is too much.
    pub async fn count(&self, place: &Place, next: u64, bytes: usize) {
        let key = place.key();
        let uncounted = self.uncounted.get(&key).unwrap_or_default() + bytes as u64;
        if uncounted < self.parts.limits.topic_bytes.max / PIECES {
            self.uncounted.insert(key, uncounted);
            return;
        }
        match self.mark(place, next, uncounted).await {
            Ok(()) => self.uncounted.insert(key, 0),
            Err(error) => {
                self.uncounted.insert(key, uncounted);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a topic's size was not written down");
            }
        }
    }

    async fn mark(&self, place: &Place, next: u64, bytes: u64) -> Result<(), StoreError> {
        let (records, now) = (&self.parts.records, self.parts.clock.now());
        let key = Key::core(TOPICS, place.topic.as_str());
        loop {
            let found = records.get(&place.tenant, std::slice::from_ref(&key), now).await?;
            let found = found.into_iter().next().flatten();
            let mut taken: Taken = found.as_ref().map_or(Ok(Taken::default()), |r| parse("a topic", r))?;
            taken.bytes += bytes;
            taken.marks.push((next, taken.bytes));
            let before = taken.trim(self.parts.limits.topic_bytes.max);
            let value = serde_json::to_vec(&taken).map_err(StoreError::failed)?;
            let expect = found.as_ref().map_or(Expect::Absent, |r| Expect::Version(r.version));
            let write = Write::put(key.clone(), value).expecting(expect);
            if let Written::Done(_) = records.write(&place.tenant, vec![write], now).await? {
                if let Some(before) = before {
                    self.parts.log.trim(&place.tenant, &place.in_log(), before).await?;
                }
                return Ok(());
            }
        }
    }

    /// Removes what is older than events are kept, of all namespaces.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let before = self.parts.clock.now() - RETENTION;
        for record in self.all(&self.platform(), Scan::core(NAMESPACES, "")).await? {
            let namespace: Namespace = parse("a namespace with topics", &record)?;
            let tenant = self.parts.authority.enter(SystemTask::Sweep, namespace);
            for Record { key: topic, .. } in self.all(&tenant, Scan::core(TOPICS, "")).await? {
                let place = Place {
                    tenant: tenant.clone(),
                    topic,
                };
                let number = self.parts.log.offset_at(&tenant, &place.in_log(), before).await?;
                self.parts.log.trim(&tenant, &place.in_log(), number).await?;
            }
        }
        Ok(())
    }
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

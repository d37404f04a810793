//! Log in vectors.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use micro_domain::NamespaceId;
use micro_tenancy::Tenant;
use time::OffsetDateTime;

use crate::{
    StoreError,
    log::{Append, Appended, Entry, Extent, Log, check_topic, page},
};

/// A log that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<HashMap<(NamespaceId, String), Topic>>);

#[derive(Debug, Default)]
struct Topic {
    next: u64,
    entries: VecDeque<Entry>,
}

impl Topic {
    fn extent(&self) -> Extent {
        Extent {
            start: self.entries.front().map_or(self.next, |entry| entry.offset),
            next: self.next,
        }
    }
}

impl MemoryLog {
    fn topics(&self) -> MutexGuard<'_, HashMap<(NamespaceId, String), Topic>> {
        self.0.lock().expect("no panic while holding the log")
    }

    fn append_one(&self, batch: Append<'_>, now: OffsetDateTime) -> Result<Appended, StoreError> {
        batch.check()?;
        let mut topics = self.topics();
        let topic = topics.entry((batch.tenant.id(), batch.topic)).or_default();
        // Time within a topic never runs backwards, whatever the clocks of its writers say.
        let at = topic.entries.back().map_or(now, |last| last.at.max(now));
        let appended = Appended {
            first: topic.next,
            count: batch.payloads.len() as u64,
        };
        for payload in batch.payloads {
            topic.entries.push_back(Entry {
                offset: topic.next,
                at,
                payload,
            });
            topic.next += 1;
        }
        Ok(appended)
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, batches: Vec<Append<'_>>, now: OffsetDateTime) -> Vec<Result<Appended, StoreError>> {
        batches.into_iter().map(|batch| self.append_one(batch, now)).collect()
    }

    async fn read(&self, tenant: &Tenant, topic: &str, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.read_page(tenant, topic, from, limit, usize::MAX).await
    }

    async fn read_page(
        &self,
        tenant: &Tenant,
        topic: &str,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        check_topic(topic)?;
        let topics = self.topics();
        let Some(topic) = topics.get(&(tenant.id(), topic.to_owned())) else {
            return Ok(Vec::new());
        };
        let skip = from.saturating_sub(topic.extent().start) as usize;
        page(topic.entries.iter().skip(skip).cloned().map(Ok), limit, max_bytes)
    }

    async fn extent(&self, tenant: &Tenant, topic: &str) -> Result<Extent, StoreError> {
        check_topic(topic)?;
        let topics = self.topics();
        Ok(topics
            .get(&(tenant.id(), topic.to_owned()))
            .map(Topic::extent)
            .unwrap_or_default())
    }

    async fn offset_at(&self, tenant: &Tenant, topic: &str, at: OffsetDateTime) -> Result<u64, StoreError> {
        check_topic(topic)?;
        let topics = self.topics();
        let Some(topic) = topics.get(&(tenant.id(), topic.to_owned())) else {
            return Ok(0);
        };
        let before = topic.entries.partition_point(|entry| entry.at < at);
        Ok(topic.extent().start + before as u64)
    }

    async fn trim(&self, tenant: &Tenant, topic: &str, before: u64) -> Result<(), StoreError> {
        check_topic(topic)?;
        if let Some(topic) = self.topics().get_mut(&(tenant.id(), topic.to_owned())) {
            while topic.entries.front().is_some_and(|entry| entry.offset < before) {
                topic.entries.pop_front();
            }
        }
        Ok(())
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.topics().retain(|(ns, _), _| *ns != tenant.id());
        Ok(())
    }
}

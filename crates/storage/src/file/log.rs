//! Log in the file: one entry a row.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use micro_domain::NamespaceId;
use micro_tenancy::Tenant;
use redb::ReadTransaction;
use time::OffsetDateTime;

use super::{
    ENTRIES, File, HEADS,
    encoding::{entry_key, head_key, nanos, number, time_of},
    operations::{AppendBatch, EraseLog, Trim, read_head},
    records::blocking,
};
use crate::{
    StoreError,
    log::{Append, Appended, Entry, Extent, Log, check_topic, page},
};

/// A log in one file.
#[derive(Clone)]
pub struct RedbLog(pub(super) Arc<File>);

#[async_trait]
impl Log for RedbLog {
    async fn append(&self, batches: Vec<Append<'_>>, now: OffsetDateTime) -> Vec<Result<Appended, StoreError>> {
        // They reach the writer in this order, and share a commit.
        let appends = batches.into_iter().map(|batch| async move {
            batch.check()?;
            let Append {
                tenant,
                topic,
                payloads,
            } = batch;
            self.0
                .writer
                .run(AppendBatch {
                    namespace: tenant.id(),
                    topic,
                    payloads,
                    now,
                })
                .await
        });
        futures::future::join_all(appends).await
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
        let (file, namespace, topic) = (self.0.clone(), tenant.id(), topic.to_owned());
        blocking(move || read(&file.reading()?, namespace, &topic, from, (limit, max_bytes))).await
    }

    async fn extent(&self, tenant: &Tenant, topic: &str) -> Result<Extent, StoreError> {
        check_topic(topic)?;
        extent(&self.0.reading()?, tenant.id(), topic)
    }

    async fn offset_at(&self, tenant: &Tenant, topic: &str, at: OffsetDateTime) -> Result<u64, StoreError> {
        check_topic(topic)?;
        let (file, namespace, topic) = (self.0.clone(), tenant.id(), topic.to_owned());
        blocking(move || offset_at(&file.reading()?, namespace, &topic, nanos(at))).await
    }

    async fn trim(&self, tenant: &Tenant, topic: &str, before: u64) -> Result<(), StoreError> {
        check_topic(topic)?;
        self.0
            .writer
            .run(Trim {
                namespace: tenant.id(),
                topic: topic.to_owned(),
                before,
            })
            .await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.0.writer.run(EraseLog(tenant.id())).await
    }
}

fn read(
    tx: &ReadTransaction,
    namespace: NamespaceId,
    topic: &str,
    from: u64,
    (limit, max_bytes): (usize, usize),
) -> Result<Vec<Entry>, StoreError> {
    let entries = tx.open_table(ENTRIES).map_err(StoreError::failed)?;
    let (first, last) = (entry_key(namespace, topic, from), entry_key(namespace, topic, u64::MAX));
    let rows = entries
        .range::<&[u8]>(first.as_slice()..=last.as_slice())
        .map_err(StoreError::failed)?;
    let entries = rows.map(|row| {
        let (key, value) = row.map_err(StoreError::failed)?;
        let (at, payload) = number(value.value())?;
        let at = time_of(at as i64);
        Ok(Entry {
            offset: offset_in(key.value())?,
            at,
            payload: Bytes::copy_from_slice(payload),
        })
    });
    page(entries, limit, max_bytes)
}

fn extent(tx: &ReadTransaction, namespace: NamespaceId, topic: &str) -> Result<Extent, StoreError> {
    let heads = tx.open_table(HEADS).map_err(StoreError::failed)?;
    let head = heads
        .get(head_key(namespace, topic).as_slice())
        .map_err(StoreError::failed)?;
    let Some(head) = head else { return Ok(Extent::default()) };
    let (next, _) = read_head(head.value())?;
    let oldest = read(tx, namespace, topic, 0, (1, usize::MAX))?;
    Ok(Extent {
        start: oldest.first().map_or(next, |entry| entry.offset),
        next,
    })
}

/// Time never runs backwards within a topic, so halving finds it.
fn offset_at(tx: &ReadTransaction, namespace: NamespaceId, topic: &str, at: i64) -> Result<u64, StoreError> {
    let entries = tx.open_table(ENTRIES).map_err(StoreError::failed)?;
    let Extent {
        start: mut low,
        next: mut high,
    } = extent(tx, namespace, topic)?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found = entries
            .get(entry_key(namespace, topic, middle).as_slice())
            .map_err(StoreError::failed)?;
        let found = found.ok_or_else(|| StoreError::Damaged("a log has a gap".into()))?;
        if (number(found.value())?.0 as i64) < at {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The offset that an entry's key ends with.
fn offset_in(key: &[u8]) -> Result<u64, StoreError> {
    let offset = key
        .last_chunk()
        .ok_or_else(|| StoreError::Damaged("a log's key".into()))?;
    Ok(u64::from_be_bytes(*offset))
}

//! Log as chunks under a head counter: the counter is bumped in the statement that stores the chunk, so offsets are
//! dense and nothing is lost or doubled by a rollback.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use micro_domain::NamespaceId;
use micro_tenancy::Tenant;
use time::OffsetDateTime;

use super::{
    chunk::{decode, encode},
    hot::{Call, Hot},
};
use crate::{
    StoreError,
    db::retrying,
    log::{Append, Appended, Entry, Extent, Log, check_topic},
};

/// Chunks that one read of `log_read` returns at most.
const CHUNKS_A_READ: usize = 64;

/// A log in PostgreSQL.
#[derive(Clone)]
pub struct SqlLog {
    hot: Hot,
}

impl SqlLog {
    /// A log over these connections.
    pub fn new(hot: Hot) -> Self {
        Self { hot }
    }

    /// Stores all batches of one topic as one chunk; the offset of its first entry.
    async fn append_chunk(&self, chunk: &Chunk<'_>, now: OffsetDateTime) -> Result<u64, StoreError> {
        let payloads = chunk.batches.iter().flat_map(|(_, batch)| &batch.payloads);
        let (count, body) = (payloads.clone().count() as i64, encode(payloads));
        let first = retrying(|| async {
            let namespace = chunk.namespace.uuid();
            let rows = self
                .hot
                .call(Call::Append, &[&namespace, &chunk.topic, &count, &now, &body])
                .await?;
            rows.first()
                .map(|row| row.get::<_, i64>(0))
                .ok_or_else(|| StoreError::Damaged("no offset".into()))
        });
        Ok(first.await? as u64)
    }
}

/// Everything of one call that goes to one topic, each batch with its place in the call.
struct Chunk<'a> {
    namespace: NamespaceId,
    topic: &'a str,
    batches: Vec<(usize, &'a Append<'a>)>,
}

#[async_trait]
impl Log for SqlLog {
    async fn append(&self, batches: Vec<Append<'_>>, now: OffsetDateTime) -> Vec<Result<Appended, StoreError>> {
        let mut results: Vec<Result<Appended, StoreError>> = batches
            .iter()
            .map(|batch| batch.check().map(|()| Appended { first: 0, count: 0 }))
            .collect();
        let mut chunks: HashMap<(NamespaceId, &str), Chunk<'_>> = HashMap::new();
        for (place, batch) in batches.iter().enumerate().filter(|(place, _)| results[*place].is_ok()) {
            let (namespace, topic) = (batch.tenant.id(), batch.topic.as_str());
            let chunk = chunks.entry((namespace, topic)).or_insert_with(|| Chunk {
                namespace,
                topic,
                batches: Vec::new(),
            });
            chunk.batches.push((place, batch));
        }
        let appends = chunks.into_values().map(|chunk| async move {
            let first = self.append_chunk(&chunk, now).await;
            (chunk, first)
        });
        for (chunk, first) in futures::future::join_all(appends).await {
            match first {
                Ok(first) => {
                    let mut next = first;
                    for (place, batch) in chunk.batches {
                        let count = batch.payloads.len() as u64;
                        results[place] = Ok(Appended { first: next, count });
                        next += count;
                    }
                }
                Err(error) => {
                    let mut error = Some(error);
                    for (place, _) in chunk.batches {
                        let same = || StoreError::Failed("the batch it went with was not stored".into());
                        results[place] = Err(error.take().unwrap_or_else(same));
                    }
                }
            }
        }
        results
    }

    async fn read(&self, tenant: &Tenant, topic: &str, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        check_topic(topic)?;
        let mut entries = Vec::new();
        let mut next = i64::try_from(from).unwrap_or(i64::MAX);
        while entries.len() < limit {
            let rows = retrying(|| async {
                Ok::<_, StoreError>(self.hot.call(Call::Read, &[&tenant.id().uuid(), &topic, &next]).await?)
            })
            .await?;
            for row in &rows {
                let (first, at): (i64, OffsetDateTime) = (row.get(0), row.get(1));
                let payloads = decode(Bytes::from(row.get::<_, Vec<u8>>(2)))?;
                let offsets = first as u64..;
                next = first + payloads.len() as i64;
                let wanted = offsets.zip(payloads).skip_while(|(offset, _)| *offset < from);
                entries.extend(wanted.map(|(offset, payload)| Entry { offset, at, payload }));
            }
            if rows.len() < CHUNKS_A_READ {
                break;
            }
        }
        entries.truncate(limit);
        Ok(entries)
    }

    async fn extent(&self, tenant: &Tenant, topic: &str) -> Result<Extent, StoreError> {
        check_topic(topic)?;
        let rows = retrying(|| async {
            Ok::<_, StoreError>(self.hot.call(Call::Extent, &[&tenant.id().uuid(), &topic]).await?)
        })
        .await?;
        let ends = rows
            .first()
            .map(|row| (row.get::<_, Option<i64>>(0), row.get::<_, Option<i64>>(1)));
        let (start, next) = ends.unwrap_or_default();
        let next = next.unwrap_or(0) as u64;
        Ok(Extent {
            start: start.map_or(next, |start| start as u64),
            next,
        })
    }

    async fn offset_at(&self, tenant: &Tenant, topic: &str, at: OffsetDateTime) -> Result<u64, StoreError> {
        check_topic(topic)?;
        let rows = retrying(|| async {
            Ok::<_, StoreError>(
                self.hot
                    .call(Call::OffsetAt, &[&tenant.id().uuid(), &topic, &at])
                    .await?,
            )
        })
        .await?;
        Ok(rows.first().and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0) as u64)
    }

    async fn trim(&self, tenant: &Tenant, topic: &str, before: u64) -> Result<(), StoreError> {
        check_topic(topic)?;
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        retrying(|| async {
            self.hot
                .call(Call::Trim, &[&tenant.id().uuid(), &topic, &before])
                .await?;
            Ok(())
        })
        .await
    }
}

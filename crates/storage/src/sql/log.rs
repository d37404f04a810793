//! Log as chunks under a head counter: the counter is bumped in the transaction that stores the chunk, so offsets are
//! dense and nothing is lost or doubled by a rollback.

mod flush;

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use micro_domain::NamespaceId;
use micro_tenancy::Tenant;
use time::OffsetDateTime;
use tokio_postgres::{Row, types::ToSql};

use self::flush::{Entries, Flusher};
use super::{
    chunk::decode,
    hot::{Call, Hot, Over},
    lane::Lane,
};
use crate::{
    StoreError,
    db::retrying,
    log::{Append, Appended, Entry, Extent, Log, check_topic},
};

/// Chunks that one call of `log_read` returns at most.
const CHUNKS_A_READ: usize = 64;
/// About as many bytes as the first call of a long read asks for; each further one asks for twice as many, up to these.
const FIRST_READ: usize = 256 << 10;
const LONGEST_READ: usize = 8 << 20;

/// The lane behind those of records.
const LANE: Over = Over::Lane(Hot::LANES - 1);

/// What one call of `log_read` returned, and whether nothing was left then.
struct Page {
    entries: Vec<Entry>,
    is_last: bool,
}

/// A log in PostgreSQL.
#[derive(Clone)]
pub struct SqlLog {
    hot: Hot,
    lane: Lane<Flusher>,
}

impl SqlLog {
    /// A log over these connections.
    pub fn new(hot: Hot) -> Self {
        let lane = Lane::new(Flusher(hot.clone()), LANE, flush::BOUNDS, hot.runtime().clone());
        Self { hot, lane }
    }

    /// The chunks that hold the next entries, read at once.
    async fn chunks(&self, tenant: &Tenant, topic: &str, from: u64, max_bytes: usize) -> Result<Page, StoreError> {
        let first = i64::try_from(from).unwrap_or(i64::MAX);
        let most = i64::try_from(max_bytes).unwrap_or(i64::MAX).max(1);
        let rows = self
            .call(Call::Read, &[&tenant.id().uuid(), &topic, &first, &most])
            .await?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for row in &rows {
            let (first, at): (i64, OffsetDateTime) = (row.get(0), row.get(1));
            let body = Bytes::from(row.get::<_, Vec<u8>>(2));
            bytes += body.len();
            let wanted = (first as u64..)
                .zip(decode(body)?)
                .skip_while(|(offset, _)| *offset < from);
            entries.extend(wanted.map(|(offset, payload)| Entry { offset, at, payload }));
        }
        Ok(Page {
            entries,
            is_last: rows.len() < CHUNKS_A_READ && bytes < max_bytes,
        })
    }

    /// A call that is tried again when it loses a race.
    async fn call(&self, call: Call, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        retrying(|| async { Ok(self.hot.call(call, values).await?) }).await
    }
}

#[async_trait]
impl Log for SqlLog {
    async fn append(&self, batches: Vec<Append<'_>>, now: OffsetDateTime) -> Vec<Result<Appended, StoreError>> {
        let mut results = Vec::with_capacity(batches.len());
        let mut topics: HashMap<(NamespaceId, String), (Vec<usize>, Entries)> = HashMap::new();
        for (place, batch) in batches.into_iter().enumerate() {
            let count = batch.payloads.len() as u64;
            results.push(batch.check().map(|()| Appended { first: 0, count }));
            if results[place].is_err() {
                continue;
            }
            // Everything of one topic goes together, so that it stays in order.
            let namespace = batch.tenant.id();
            let topic = topics.entry((namespace, batch.topic.clone()));
            let (places, entries) = topic.or_insert_with(|| (Vec::new(), Entries::new(namespace, batch.topic, now)));
            places.push(place);
            entries.payloads.extend(batch.payloads);
        }
        let appends = topics
            .into_values()
            .map(|(places, entries)| async { (places, self.lane.run(entries).await) });
        for (places, first) in futures::future::join_all(appends).await {
            spread(&mut results, &places, first);
        }
        results
    }

    async fn read(&self, tenant: &Tenant, topic: &str, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        check_topic(topic)?;
        let (mut entries, mut next, mut bytes) = (Vec::new(), from, FIRST_READ);
        while entries.len() < limit {
            let page = self.chunks(tenant, topic, next, bytes).await?;
            bytes = (bytes * 2).min(LONGEST_READ);
            entries.extend(page.entries);
            next = entries.last().map_or(from, |last: &Entry| last.offset + 1);
            if page.is_last {
                break;
            }
        }
        entries.truncate(limit);
        Ok(entries)
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
        let mut entries = self.chunks(tenant, topic, from, max_bytes).await?.entries;
        entries.truncate(limit);
        Ok(entries)
    }

    async fn extent(&self, tenant: &Tenant, topic: &str) -> Result<Extent, StoreError> {
        check_topic(topic)?;
        let rows = self.call(Call::Extent, &[&tenant.id().uuid(), &topic]).await?;
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
        let rows = self.call(Call::OffsetAt, &[&tenant.id().uuid(), &topic, &at]).await?;
        Ok(rows.first().and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0) as u64)
    }

    async fn trim(&self, tenant: &Tenant, topic: &str, before: u64) -> Result<(), StoreError> {
        check_topic(topic)?;
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        self.call(Call::Trim, &[&tenant.id().uuid(), &topic, &before]).await?;
        Ok(())
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        loop {
            let rows = self.call(Call::EraseLog, &[&tenant.id().uuid()]).await?;
            if rows.first().is_none_or(|row| row.get::<_, i64>(0) == 0) {
                return Ok(());
            }
        }
    }
}

/// Gives the batches of one topic their offsets, from the first on, in their order.
fn spread(results: &mut [Result<Appended, StoreError>], places: &[usize], first: Result<u64, StoreError>) {
    let (mut next, mut error) = match first {
        Ok(first) => (first, None),
        Err(error) => (0, Some(error)),
    };
    let failed = error.is_some();
    for place in places {
        if failed {
            let same = || StoreError::Failed("the batch that it went with was not stored".into());
            results[*place] = Err(error.take().unwrap_or_else(same));
        } else if let Ok(appended) = &mut results[*place] {
            appended.first = next;
            next += appended.count;
        }
    }
}

//! Records in the file. Reads of keys are answered at once, from the cache mostly; longer ones on a thread that may
//! block.

use std::{ops::Bound, sync::Arc};

use async_trait::async_trait;
use micro_domain::NamespaceId;
use micro_tenancy::Tenant;
use redb::AccessGuard;
use time::OffsetDateTime;

use super::{
    File, RECORDS, USAGE,
    encoding::{Row, nanos, parts, read_usage, record_key, table_prefix},
    operations::{EraseRecords, Sweep, WriteBatch},
};
use crate::{
    StoreError,
    records::{Key, Quota, Record, Records, Scan, Usage, Write, Written, check_batch, check_keys},
};

/// Records in one file.
#[derive(Clone)]
pub struct RedbRecords {
    file: Arc<File>,
    quota: Quota,
}

impl RedbRecords {
    pub(super) fn new(file: Arc<File>) -> Self {
        Self {
            file,
            quota: Quota::default(),
        }
    }

    /// The same records, of which each namespace may keep so much.
    #[must_use]
    pub fn with_quota(self, quota: Quota) -> Self {
        Self { quota, ..self }
    }
}

#[async_trait]
impl Records for RedbRecords {
    async fn get(&self, tenant: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
        check_keys(keys)?;
        let records = self.file.reading()?.open_table(RECORDS).map_err(StoreError::failed)?;
        let find = |key: &Key| {
            let found = records
                .get(record_key(tenant.id(), key).as_slice())
                .map_err(StoreError::failed)?;
            let Some(found) = found else { return Ok(None) };
            let row = Row::read(found.value())?;
            Ok(row.lives(nanos(now)).then(|| row.record(&key.key)))
        };
        keys.iter().map(find).collect()
    }

    async fn write(&self, tenant: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
        check_batch(&batch)?;
        if batch.is_empty() {
            return Ok(Written::Done(Vec::new()));
        }
        self.file
            .writer
            .run(WriteBatch {
                namespace: tenant.id(),
                batch,
                now,
                quota: self.quota,
            })
            .await?
            .map_err(StoreError::from)
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage, StoreError> {
        let usages = self.file.reading()?.open_table(USAGE).map_err(StoreError::failed)?;
        let found = usages
            .get(tenant.id().uuid().as_bytes().as_slice())
            .map_err(StoreError::failed)?;
        found.map_or(Ok(Usage::default()), |found| read_usage(found.value()))
    }

    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        scan.check()?;
        if scan.is_empty() {
            return Ok(Vec::new());
        }
        let (file, namespace) = (self.file.clone(), tenant.id());
        blocking(move || file.scan(namespace, &scan, nanos(now))).await
    }

    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        let (file, namespace) = (self.file.clone(), tenant.id());
        blocking(move || file.tables(namespace)).await
    }

    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        self.file.writer.run(Sweep { now, limit }).await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.file.writer.run(EraseRecords(tenant.id())).await
    }
}

/// Runs what may wait for the disk where nothing else waits for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::failed)?
}

/// The record, unless it has expired.
fn live(row: Result<(Found<'_>, Found<'_>), redb::StorageError>, now: i64) -> Result<Option<Record>, StoreError> {
    let (key, value) = row.map_err(StoreError::failed)?;
    let row = Row::read(value.value())?;
    match row.lives(now) {
        true => Ok(Some(row.record(parts(key.value())?.2))),
        false => Ok(None),
    }
}

type Found<'a> = AccessGuard<'a, &'static [u8]>;

impl File {
    fn scan(&self, namespace: NamespaceId, scan: &Scan, now: i64) -> Result<Vec<Record>, StoreError> {
        let prefix = table_prefix(namespace, &scan.database, &scan.table);
        let at = |key: &String| [&prefix[..], key.as_bytes()].concat();
        let from = match &scan.from {
            Bound::Unbounded => Bound::Included(prefix.clone()),
            bound => bound.as_ref().map(at),
        };
        let to = match &scan.to {
            // The NUL that ends the prefix, one up: right behind the table's last key.
            Bound::Unbounded => {
                let mut end = prefix.clone();
                end.pop();
                end.push(1);
                Bound::Excluded(end)
            }
            bound => bound.as_ref().map(at),
        };
        let records = self.reading()?.open_table(RECORDS).map_err(StoreError::failed)?;
        let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let mut rows = records.range::<&[u8]>(range).map_err(StoreError::failed)?;
        let next = || if scan.descending { rows.next_back() } else { rows.next() };
        let live = std::iter::from_fn(next).filter_map(|row| live(row, now).transpose());
        scan.page(live)
    }

    /// Jumps from table to table, however many records each holds.
    fn tables(&self, namespace: NamespaceId) -> Result<Vec<(String, String)>, StoreError> {
        let records = self.reading()?.open_table(RECORDS).map_err(StoreError::failed)?;
        let mut from = namespace.uuid().as_bytes().to_vec();
        let mut found = Vec::new();
        while let Some(row) = records
            .range::<&[u8]>(from.as_slice()..)
            .map_err(StoreError::failed)?
            .next()
        {
            let (key, _) = row.map_err(StoreError::failed)?;
            if !key.value().starts_with(namespace.uuid().as_bytes()) {
                break;
            }
            let (database, table, _) = parts(key.value())?;
            from = table_prefix(namespace, database, table);
            from.pop();
            from.push(1);
            if !Key::is_core_database(database) {
                found.push((database.to_owned(), table.to_owned()));
            }
        }
        Ok(found)
    }
}

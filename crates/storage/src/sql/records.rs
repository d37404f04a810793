//! Records as rows.

mod sweep;
mod write;

use std::ops::Bound;

use async_trait::async_trait;
use bytes::Bytes;
use micro_tenancy::{SystemTask, Tenant};
use time::OffsetDateTime;
use tokio_postgres::{Row, types::ToSql};

use self::write::{Batch, Writer};
use super::{
    hot::{Call, Hot, Over},
    lane::Lane,
};
use crate::{
    StoreError,
    db::{Db, SystemDb, retrying},
    records::{Key, Quota, Record, Records, Scan, Usage, Write, Written, check_batch, check_keys},
};

/// All writes take turns in one lane: a second one's commits would wait for the first one's flushes, since the database
/// flushes one at a time, and each would carry half as much.
const LANE: Over = Over::Lane(0);

/// Records in PostgreSQL.
#[derive(Clone)]
pub struct SqlRecords {
    hot: Hot,
    sweeper: SystemDb,
    lane: Lane<Writer>,
}

impl SqlRecords {
    /// Records over these connections. What has expired is removed by the system role, which sees nothing else.
    pub fn new(hot: Hot, db: &Db) -> Self {
        Self {
            lane: lane(&hot, Quota::default()),
            hot,
            sweeper: db.system(SystemTask::Sweep),
        }
    }

    /// The same records, of which each namespace may keep so much.
    #[must_use]
    pub fn with_quota(self, quota: Quota) -> Self {
        Self {
            lane: lane(&self.hot, quota),
            ..self
        }
    }

    async fn get_one(&self, tenant: &Tenant, key: &Key, now: OffsetDateTime) -> Result<Option<Record>, StoreError> {
        let rows = self
            .hot
            .call(
                Call::GetOne,
                &[&tenant.id().uuid(), &key.database, &key.table, &key.key, &now],
            )
            .await?;
        let row = rows.first().filter(|row| row.get::<_, Option<i64>>(1).is_some());
        Ok(row.map(|row| record(key.key.clone(), row, 0)))
    }

    async fn get_many(
        &self,
        tenant: &Tenant,
        keys: &[Key],
        now: OffsetDateTime,
    ) -> Result<Vec<Option<Record>>, StoreError> {
        let [databases, tables, names] = columns(keys.iter());
        let rows = self
            .hot
            .call(Call::Get, &[&tenant.id().uuid(), &databases, &tables, &names, &now])
            .await?;
        let mut found = vec![None; keys.len()];
        for row in rows {
            let place = row.get::<_, i32>(0) as usize - 1;
            found[place] = Some(record(keys[place].key.clone(), &row, 1));
        }
        Ok(found)
    }

    /// A call that is tried again when it loses a race.
    async fn call(&self, call: Call, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        retrying(|| async { Ok(self.hot.call(call, values).await?) }).await
    }
}

fn lane(hot: &Hot, quota: Quota) -> Lane<Writer> {
    let writer = Writer {
        hot: hot.clone(),
        quota,
    };
    Lane::new(writer, LANE, write::BOUNDS, hot.runtime().clone())
}

#[async_trait]
impl Records for SqlRecords {
    async fn get(&self, tenant: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
        check_keys(keys)?;
        match keys {
            [] => Ok(Vec::new()),
            [key] => Ok(vec![retrying(|| self.get_one(tenant, key, now)).await?]),
            keys => retrying(|| self.get_many(tenant, keys, now)).await,
        }
    }

    async fn write(&self, tenant: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
        check_batch(&batch)?;
        if batch.is_empty() {
            return Ok(Written::Done(Vec::new()));
        }
        self.lane.run(Batch::new(tenant.id(), batch, now)).await
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage, StoreError> {
        let rows = self.call(Call::Usage, &[&tenant.id().uuid()]).await?;
        let number = |column| {
            rows.first()
                .and_then(|row| row.get::<_, Option<i64>>(column))
                .unwrap_or(0) as u64
        };
        Ok(Usage {
            keys: number(0),
            bytes: number(1),
        })
    }

    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        scan.check()?;
        if scan.is_empty() {
            return Ok(Vec::new());
        }
        let from = match &scan.from {
            Bound::Included(key) => key.clone(),
            Bound::Excluded(key) => behind(key),
            Bound::Unbounded => String::new(),
        };
        let to = match &scan.to {
            Bound::Included(key) => Some(behind(key)),
            Bound::Excluded(key) => Some(key.clone()),
            Bound::Unbounded => None,
        };
        let call = if scan.descending { Call::ScanDown } else { Call::ScanUp };
        let (namespace, limit) = (tenant.id().uuid(), scan.limit as i64);
        let most = scan.max_bytes.map(|most| i64::try_from(most).unwrap_or(i64::MAX));
        let values: [&(dyn ToSql + Sync); 8] =
            [&namespace, &scan.database, &scan.table, &from, &to, &limit, &now, &most];
        let rows = self.call(call, &values).await?;
        Ok(rows.iter().map(|row| record(row.get(0), row, 1)).collect())
    }

    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.call(Call::Tables, &[&tenant.id().uuid()]).await?;
        let all = rows
            .iter()
            .map(|row| (row.get::<_, String>(0), row.get::<_, String>(1)));
        Ok(all.filter(|(database, _)| !Key::is_core_database(database)).collect())
    }

    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        sweep::sweep(&self.sweeper, now, limit).await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        loop {
            let rows = self.call(Call::EraseRecords, &[&tenant.id().uuid()]).await?;
            if rows.first().is_none_or(|row| row.get::<_, i64>(0) == 0) {
                return Ok(());
            }
        }
    }
}

/// The first key that can lie behind this one: no key holds NUL.
fn behind(key: &str) -> String {
    format!("{key}\u{1}")
}

fn columns<'k>(keys: impl Iterator<Item = &'k Key> + Clone) -> [Vec<&'k str>; 3] {
    [
        keys.clone().map(|key| key.database.as_str()).collect(),
        keys.clone().map(|key| key.table.as_str()).collect(),
        keys.map(|key| key.key.as_str()).collect(),
    ]
}

fn record(key: String, row: &Row, first: usize) -> Record {
    Record {
        key,
        value: Bytes::from(row.get::<_, Vec<u8>>(first)),
        version: row.get::<_, i64>(first + 1) as u64,
        expires_at: row.get(first + 2),
    }
}

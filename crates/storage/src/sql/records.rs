//! Records as rows.

use std::ops::Bound;

use async_trait::async_trait;
use bytes::Bytes;
use micro_tenancy::{SystemTask, Tenant};
use sqlx::AssertSqlSafe;
use time::OffsetDateTime;
use tokio_postgres::Row;

use super::hot::{Call, CallError, Hot};
use crate::{
    StoreError,
    db::{Db, SystemDb, retrying},
    records::{Expect, Key, Record, Records, Scan, Write, Written, check_batch, check_keys},
};

/// What `records_write` raises when a condition does not hold: its message is the write's place, from 1.
const LOST: &str = "MC001";

/// Records in PostgreSQL.
#[derive(Clone)]
pub struct SqlRecords {
    hot: Hot,
    sweeper: SystemDb,
}

impl SqlRecords {
    /// Records over these connections. What has expired is removed by the system role, which sees nothing else.
    pub fn new(hot: Hot, db: &Db) -> Self {
        Self {
            hot,
            sweeper: db.system(SystemTask::Sweep),
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

    /// One call of `records_write`, in this order.
    async fn write_ordered(
        &self,
        tenant: &Tenant,
        batch: &[&Write],
        now: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        let [databases, tables, names] = columns(batch.iter().map(|write| &write.key));
        let values: Vec<Option<&[u8]>> = batch.iter().map(|write| write.value.as_deref()).collect();
        let expiries: Vec<Option<OffsetDateTime>> = batch.iter().map(|write| write.expires_at).collect();
        let expects: Vec<Option<i64>> = batch.iter().map(|write| expected(write.expect)).collect();
        let done = self
            .hot
            .call(
                Call::Write,
                &[
                    &tenant.id().uuid(),
                    &now,
                    &databases,
                    &tables,
                    &names,
                    &values,
                    &expiries,
                    &expects,
                ],
            )
            .await;
        match done {
            Ok(rows) => match rows.first().and_then(|row| row.get::<_, Option<Vec<i64>>>(0)) {
                Some(versions) => Ok(Written::Done(
                    versions.into_iter().map(|version| version as u64).collect(),
                )),
                None => Ok(Written::Lost(0)),
            },
            Err(CallError::Database(error)) => match lost(&error) {
                Some(place) => Ok(Written::Lost(place)),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
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
        // Always in the order of keys, so that two batches never wait for each other in a circle.
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by(|a, b| batch[*a].key.cmp(&batch[*b].key));
        let ordered: Vec<&Write> = order.iter().map(|place| &batch[*place]).collect();
        match retrying(|| self.write_ordered(tenant, &ordered, now)).await? {
            Written::Lost(place) => Ok(Written::Lost(order[place])),
            Written::Done(versions) => {
                let mut as_asked = vec![0; batch.len()];
                for (place, version) in order.into_iter().zip(versions) {
                    as_asked[place] = version;
                }
                Ok(Written::Done(as_asked))
            }
        }
    }

    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        scan.check()?;
        if scan.is_empty() {
            return Ok(Vec::new());
        }
        let (from, from_in) = match &scan.from {
            Bound::Included(key) => (key.as_str(), true),
            Bound::Excluded(key) => (key.as_str(), false),
            Bound::Unbounded => ("", true),
        };
        let (to, to_in) = match &scan.to {
            Bound::Included(key) => (Some(key.as_str()), true),
            Bound::Excluded(key) => (Some(key.as_str()), false),
            Bound::Unbounded => (None, true),
        };
        let call = if scan.descending { Call::ScanDown } else { Call::ScanUp };
        let (namespace, limit) = (tenant.id().uuid(), scan.limit as i64);
        let rows = retrying(|| async {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] = [
                &namespace,
                &scan.database,
                &scan.table,
                &from,
                &from_in,
                &to,
                &to_in,
                &limit,
                &now,
            ];
            Ok::<_, StoreError>(self.hot.call(call, &values).await?)
        })
        .await?;
        Ok(rows.iter().map(|row| record(row.get(0), row, 1)).collect())
    }

    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        let namespace = tenant.id().uuid();
        let rows =
            retrying(|| async { Ok::<_, StoreError>(self.hot.call(Call::Tables, &[&namespace]).await?) }).await?;
        let all = rows
            .iter()
            .map(|row| (row.get::<_, String>(0), row.get::<_, String>(1)));
        Ok(all.filter(|(database, _)| !Key::is_core_database(database)).collect())
    }

    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        // The limit is part of the text: with a parameter the plan would read the whole table.
        let sweep = format!(
            "delete from records where expires_at <= $1 and (namespace_id, database, tbl, key) in (
                 select namespace_id, database, tbl, key from records where expires_at <= $1
                 order by expires_at limit {limit})"
        );
        retrying(|| async {
            let mut tx = self.sweeper.begin().await?;
            let gone = sqlx::query(AssertSqlSafe(sweep.as_str()))
                .persistent(false)
                .bind(now)
                .execute(tx.conn())
                .await?;
            tx.commit().await?;
            Ok(gone.rows_affected() as usize)
        })
        .await
    }
}

fn columns<'k>(keys: impl Iterator<Item = &'k Key> + Clone) -> [Vec<&'k str>; 3] {
    [
        keys.clone().map(|key| key.database.as_str()).collect(),
        keys.clone().map(|key| key.table.as_str()).collect(),
        keys.map(|key| key.key.as_str()).collect(),
    ]
}

/// As `records_write` has it: nothing, no live record, or a version. No live record has one beyond `i64`.
fn expected(expect: Expect) -> Option<i64> {
    match expect {
        Expect::Any => None,
        Expect::Absent => Some(0),
        Expect::Version(version) => Some(i64::try_from(version).ok().filter(|version| *version > 0).unwrap_or(-1)),
    }
}

/// The place, from 0, of the write whose condition did not hold, if that is what the error says.
fn lost(error: &tokio_postgres::Error) -> Option<usize> {
    let error = error.as_db_error().filter(|error| error.code().code() == LOST)?;
    error.message().parse::<usize>().ok()?.checked_sub(1)
}

fn record(key: String, row: &Row, first: usize) -> Record {
    Record {
        key,
        value: Bytes::from(row.get::<_, Vec<u8>>(first)),
        version: row.get::<_, i64>(first + 1) as u64,
        expires_at: row.get(first + 2),
    }
}

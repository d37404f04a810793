//! Removing what has expired, as the system role, which sees no other rows. A namespace's count is locked first, as
//! writers do; one that is held by somebody keeps the others' records from being swept only for a moment.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StoreError,
    db::{SystemDb, SystemTx, retrying},
};

/// Databases, tables and keys of one namespace.
type Keys = (Vec<String>, Vec<String>, Vec<String>);

pub(super) async fn sweep(db: &SystemDb, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
    let due = retrying(|| due(db, now, limit)).await?;
    let mut gone = 0;
    for (namespace, keys) in due {
        match retrying(|| sweep_one(db, namespace, &keys, now)).await {
            Ok(count) => gone += count,
            Err(StoreError::Busy(_)) => tracing::debug!("records of a busy namespace are swept another time"),
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

async fn due(db: &SystemDb, now: OffsetDateTime, limit: usize) -> Result<BTreeMap<Uuid, Keys>, StoreError> {
    // The limit is part of the text: with a parameter the plan would read the whole table.
    let due = format!(
        "select namespace_id, database, tbl, key from records where expires_at <= $1 order by expires_at limit {limit}"
    );
    let mut tx = db.begin().await?;
    let rows: Vec<(Uuid, String, String, String)> = sqlx::query_as(AssertSqlSafe(due.as_str()))
        .persistent(false)
        .bind(now)
        .fetch_all(tx.conn())
        .await?;
    tx.commit().await?;
    let mut by_namespace: BTreeMap<Uuid, Keys> = BTreeMap::new();
    for (namespace, database, table, key) in rows {
        let keys = by_namespace.entry(namespace).or_default();
        keys.0.push(database);
        keys.1.push(table);
        keys.2.push(key);
    }
    Ok(by_namespace)
}

/// One namespace's, and its count: how many it removed.
async fn sweep_one(db: &SystemDb, namespace: Uuid, keys: &Keys, now: OffsetDateTime) -> Result<usize, StoreError> {
    let mut tx = db.begin().await?;
    sqlx::query("select set_config('lock_timeout', '200ms', true)")
        .execute(tx.conn())
        .await?;
    sqlx::query("select keys from records_usage where namespace_id = $1 for update")
        .bind(namespace)
        .execute(tx.conn())
        .await?;
    let (gone, own, bytes) = remove(&mut tx, namespace, keys, now).await?;
    sqlx::query("update records_usage set keys = keys - $2, bytes = bytes - $3 where namespace_id = $1")
        .bind(namespace)
        .bind(own)
        .bind(bytes)
        .execute(tx.conn())
        .await?;
    tx.commit().await?;
    Ok(gone as usize)
}

/// How many it removed, how many of them count, and their bytes.
async fn remove(
    tx: &mut SystemTx,
    namespace: Uuid,
    keys: &Keys,
    now: OffsetDateTime,
) -> Result<(i64, i64, i64), StoreError> {
    let removed = sqlx::query_as(
        "with gone as (
             delete from records where namespace_id = $1 and expires_at <= $2 and (database, tbl, key) in (
                 select d, t, k from unnest($3::text[], $4::text[], $5::text[]) as due (d, t, k))
             returning database <> chr(1) || 'core' as own,
                       octet_length(database) + octet_length(tbl) + octet_length(key) + octet_length(value) as size
         )
         select count(*), count(*) filter (where own), coalesce(sum(size) filter (where own), 0)::int8 from gone",
    )
    .bind(namespace)
    .bind(now)
    .bind(&keys.0)
    .bind(&keys.1)
    .bind(&keys.2)
    .fetch_one(tx.conn())
    .await?;
    Ok(removed)
}

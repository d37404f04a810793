//! What operators do with jobs.

use micro_domain::{JobId, NamespaceId};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StoreError, db::SystemTx};

/// A job as an operator sees it. Its payload is left out: it may hold a letter or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// Its namespace; none where it is the platform's own.
    pub namespace: Option<NamespaceId>,
    /// What it does.
    pub kind: String,
    /// When it was queued.
    pub queued_at: OffsetDateTime,
    /// When it is due, or its claim ends.
    pub run_at: OffsetDateTime,
    /// Tries so far.
    pub attempts: u32,
    /// Whether a worker has it now.
    pub claimed: bool,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// When it was given up, if it was.
    pub parked_at: Option<OffsetDateTime>,
}

#[derive(FromRow)]
struct Row {
    job_id: Uuid,
    namespace_id: Uuid,
    kind: String,
    queued_at: OffsetDateTime,
    run_at: OffsetDateTime,
    attempts: i64,
    claimed: bool,
    last_error: Option<String>,
    parked_at: Option<OffsetDateTime>,
}

/// Jobs that are queued, running or parked, oldest first: at most 500, behind `after` where it is given.
pub async fn list(tx: &mut SystemTx, parked_only: bool, after: Option<&JobRow>) -> Result<Vec<JobRow>, StoreError> {
    let (at, id) = after.map_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()), |row| {
        (row.queued_at, row.id.uuid())
    });
    let rows: Vec<Row> = sqlx::query_as(
        "select job_id, namespace_id, kind, queued_at, run_at, attempts,
                claimed_by is not null as claimed, last_error, parked_at from jobs
         where (parked_at is not null or not $1) and (queued_at, job_id) > ($2, $3)
         order by queued_at, job_id limit 500",
    )
    .bind(parked_only)
    .bind(at)
    .bind(id)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(JobRow::from).collect())
}

/// Makes a parked or waiting job due now, with its tries counted anew; whether there is one that is not running.
pub async fn retry(tx: &mut SystemTx, id: JobId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update jobs set run_at = $2, attempts = 0, parked_at = null where job_id = $1 and claimed_by is null",
    )
    .bind(id.uuid())
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

impl From<Row> for JobRow {
    fn from(row: Row) -> Self {
        Self {
            id: JobId::new(row.job_id),
            namespace: (!row.namespace_id.is_nil()).then(|| NamespaceId::new(row.namespace_id)),
            kind: row.kind,
            queued_at: row.queued_at,
            run_at: row.run_at,
            attempts: row.attempts as u32,
            claimed: row.claimed,
            last_error: row.last_error,
            parked_at: row.parked_at,
        }
    }
}

//! Jobs: work that follows a commit, queued in the same transaction (outbox), claimed by lease with a fencing
//! number, retried with backoff, parked with an alarm after its limit. A job may run twice: it must be safe to.
//!
//! ```no_run
//! # use micro_storage::{Db, StoreError, jobs::{self, Job, Worker}};
//! # use micro_tenancy::{Authority, SystemTask, Tenant};
//! # use std::sync::Arc;
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Greet { name: String }
//!
//! impl Job for Greet {
//!     const KIND: &'static str = "greet";
//!     const TASK: SystemTask = SystemTask::Mail;
//! }
//!
//! # async fn example(db: Db, tenant: Tenant, authority: Authority, clock: Arc<dyn micro_clock::Clock>) -> Result<(), StoreError> {
//! let mut tx = db.begin(&tenant).await?;
//! jobs::queue(&mut tx, Greet { name: "Ada".into() }, clock.now()).await?;
//! tx.commit().await?;
//!
//! let stop = tokio_util::sync::CancellationToken::new();
//! let worker = Worker::new(&db, authority, clock)
//!     .on(|job: Greet, run| async move {
//!         println!("hello {} in {:?}, try {}", job.name, run.tenant, run.attempt);
//!         Ok(())
//!     });
//! worker.run(stop).await;
//! # Ok(())
//! # }
//! ```

mod claim;
mod operate;
mod worker;

use micro_clock::Ids;
use micro_domain::{JobId, Namespace};
use micro_tenancy::SystemTask;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StoreError, db::SystemTx};

pub use operate::{JobRow, list, retry};
pub use worker::{Failure, Running, Worker};

/// A kind of work. Its fields are stored as JSON: change them as one changes a table.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Names it in storage and logs.
    const KIND: &'static str;
    /// Why the platform acts.
    const TASK: SystemTask;
    /// Tries before it is parked.
    const LIMIT: u32 = 20;

    /// While a job of this kind with this key is queued in the same namespace, or running, another one is dropped.
    fn dedupe_key(&self) -> Option<String> {
        None
    }
}

/// A transaction that can take a job along: `Scoped` (the job then belongs to its namespace) or `SystemTx`.
pub trait Outbox: Send {
    /// Its connection, and its namespace if it has one. Its commit wakes the worker.
    fn outbox(&mut self) -> (&mut PgConnection, Option<Namespace>);
}

/// Queues a job, due now, in the transaction. Returns its id, or none where one like it is queued already.
pub async fn queue<J: Job>(tx: &mut impl Outbox, job: J, now: OffsetDateTime) -> Result<Option<JobId>, StoreError> {
    queue_at(tx, job, now, now).await
}

/// Queues a job that is not due before `run_at`.
pub async fn queue_at<J: Job>(
    tx: &mut impl Outbox,
    job: J,
    run_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Option<JobId>, StoreError> {
    let (conn, namespace) = tx.outbox();
    insert(conn, namespace.as_ref(), job, run_at, now).await
}

/// Queues a job of a namespace from a transaction on the global tables.
pub async fn queue_in<J: Job>(
    tx: &mut SystemTx,
    namespace: &Namespace,
    job: J,
    now: OffsetDateTime,
) -> Result<Option<JobId>, StoreError> {
    let (conn, _) = tx.outbox();
    insert(conn, Some(namespace), job, now, now).await
}

async fn insert<J: Job>(
    conn: &mut PgConnection,
    namespace: Option<&Namespace>,
    job: J,
    run_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Option<JobId>, StoreError> {
    let payload = serde_json::to_string(&job).map_err(StoreError::failed)?;
    let id = JobId::new(Ids.random());
    // No conflict target: naming one would need the right to read, which the serving role has not.
    let done = sqlx::query(
        "insert into jobs (namespace_id, job_id, namespace_name, kind, payload, dedupe_key, queued_at, run_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict do nothing",
    )
    .bind(namespace.map_or(Uuid::nil(), |namespace| namespace.id.uuid()))
    .bind(id.uuid())
    .bind(namespace.map_or("", |namespace| namespace.name.as_str()))
    .bind(J::KIND)
    .bind(payload)
    .bind(job.dedupe_key())
    .bind(now)
    .bind(run_at)
    .execute(conn)
    .await?;
    Ok((done.rows_affected() == 1).then_some(id))
}

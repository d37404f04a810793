//! Claims: who runs a job, until when, and under which number. Every change repeats the claim it relies on.

use std::time::Duration;

use micro_domain::{JobId, Namespace, NamespaceId, NamespaceName};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StoreError,
    db::{SystemDb, retrying},
    holder::Holder,
};

/// How long a claim lasts unless it is renewed.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// A job that is ours to run.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Claimed {
    pub namespace_id: Uuid,
    pub job_id: Uuid,
    namespace_name: String,
    pub kind: String,
    pub payload: String,
    pub fence: i64,
    pub attempts: i64,
}

impl Claimed {
    pub fn id(&self) -> JobId {
        JobId::new(self.job_id)
    }

    pub fn namespace(&self) -> Result<Option<Namespace>, StoreError> {
        if self.namespace_id.is_nil() {
            return Ok(None);
        }
        let name = NamespaceName::parse(self.namespace_name.clone())
            .map_err(|error| StoreError::Damaged(format!("a job's namespace: {error}")))?;
        Ok(Some(Namespace {
            id: NamespaceId::new(self.namespace_id),
            name,
        }))
    }
}

/// The queue, as one worker sees it.
#[derive(Clone)]
pub(super) struct Claims {
    pub db: SystemDb,
    pub holder: String,
}

impl Claims {
    /// Claims what is due, of these kinds: at most four. The limit is literal, since a generic plan with a
    /// parameter scans the table (reference/spike-store §6).
    pub async fn take(&self, kinds: &[String], now: OffsetDateTime) -> Result<Vec<Claimed>, StoreError> {
        retrying(|| async {
            let mut tx = self.db.begin().await?;
            let claimed = sqlx::query_as(
                "update jobs set run_at = $3, claimed_by = $2, fence = fence + 1, attempts = attempts + 1
                 where (namespace_id, job_id) in (
                     select namespace_id, job_id from jobs
                     where run_at <= $1 and parked_at is null and kind = any($4)
                       and (claimed_by is null or claimed_by <> $2)
                     order by run_at, job_id limit 4 for update skip locked)
                   and run_at <= $1 and parked_at is null
                 returning namespace_id, job_id, namespace_name, kind, payload, fence, attempts",
            )
            .bind(now)
            .bind(&self.holder)
            .bind(now + LEASE)
            .bind(kinds)
            .fetch_all(tx.conn())
            .await?;
            tx.commit().await?;
            Ok(claimed)
        })
        .await
    }

    /// Makes a claim last longer; whether it still holds.
    pub async fn renew(&self, job: &Claimed, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.change(
            "update jobs set run_at = $4 where namespace_id = $1 and job_id = $2 and fence = $3",
            job,
            Some(now + LEASE),
            None,
        )
        .await
    }

    /// Done: the job is gone.
    pub async fn finish(&self, job: &Claimed) -> Result<bool, StoreError> {
        self.change(
            "delete from jobs where namespace_id = $1 and job_id = $2 and fence = $3",
            job,
            None,
            None,
        )
        .await
    }

    /// Not done: due again at `run_at`.
    pub async fn put_back(&self, job: &Claimed, run_at: OffsetDateTime, why: &str) -> Result<bool, StoreError> {
        self.change(
            "update jobs set run_at = $4, claimed_by = null, last_error = $5
             where namespace_id = $1 and job_id = $2 and fence = $3",
            job,
            Some(run_at),
            Some(why),
        )
        .await
    }

    /// Given up, until an operator looks at it.
    pub async fn park(&self, job: &Claimed, now: OffsetDateTime, why: &str) -> Result<bool, StoreError> {
        self.change(
            "update jobs set parked_at = $4, claimed_by = null, last_error = $5
             where namespace_id = $1 and job_id = $2 and fence = $3",
            job,
            Some(now),
            Some(why),
        )
        .await
    }

    /// Takes back what processes had claimed that have died, seen from this machine.
    pub async fn bury(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let holders: Vec<String> =
            sqlx::query_scalar("select distinct claimed_by from jobs where claimed_by is not null and run_at > $1")
                .bind(now)
                .fetch_all(tx.conn())
                .await?;
        for dead in holders.iter().filter(|holder| Holder::is_dead(holder)) {
            sqlx::query("update jobs set run_at = $1, claimed_by = null where claimed_by = $2 and run_at > $1")
                .bind(now)
                .bind(dead)
                .execute(tx.conn())
                .await?;
        }
        tx.commit().await
    }

    async fn change(
        &self,
        statement: &'static str,
        job: &Claimed,
        at: Option<OffsetDateTime>,
        why: Option<&str>,
    ) -> Result<bool, StoreError> {
        retrying(|| async {
            let mut tx = self.db.begin().await?;
            let mut query = sqlx::query(statement)
                .bind(job.namespace_id)
                .bind(job.job_id)
                .bind(job.fence);
            if let Some(at) = at {
                query = query.bind(at);
            }
            if let Some(why) = why {
                query = query.bind(why);
            }
            let done = query.execute(tx.conn()).await?;
            tx.commit().await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }
}

//! Named leases: one holder at a time, with a fencing number that grows with each change of hands. A dead holder's
//! is taken over at once where its death can be seen, and when it expires otherwise.

use std::{sync::Arc, time::Duration};

use micro_clock::Clock;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{StoreError, db::SystemDb, holder::Holder};

/// A lease that is ours until it expires.
#[derive(Clone)]
pub struct Lease {
    db: SystemDb,
    name: String,
    holder: String,
    fence: i64,
    lasts: Duration,
}

/// Somebody else's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who.
    pub by: String,
    /// How long, unless it is renewed.
    pub until: OffsetDateTime,
    /// What the holder tells those who wait.
    pub note: String,
}

impl Lease {
    /// Takes a lease, unless a living holder has it.
    pub async fn take(
        db: &SystemDb,
        name: &str,
        lasts: Duration,
        now: OffsetDateTime,
    ) -> Result<Result<Self, Held>, StoreError> {
        Self::take_noting(db, name, "", lasts, now).await
    }

    /// [`Self::take`], with a word for those who find it taken.
    pub async fn take_noting(
        db: &SystemDb,
        name: &str,
        note: &str,
        lasts: Duration,
        now: OffsetDateTime,
    ) -> Result<Result<Self, Held>, StoreError> {
        let holder = Holder::here().to_string();
        let mut tx = db.begin().await?;
        let held: Option<(String, OffsetDateTime, String)> =
            sqlx::query_as("select holder, expires_at, note from leases where name = $1")
                .bind(name)
                .fetch_optional(tx.conn())
                .await?;
        let dead = held
            .as_ref()
            .map(|(by, ..)| by.as_str())
            .filter(|by| Holder::is_dead(by));
        let fence: Option<i64> = sqlx::query_scalar(
            "insert into leases (name, holder, fence, expires_at, note) values ($1, $2, 1, $3, $6)
             on conflict (name) do update
                set holder = excluded.holder, fence = leases.fence + 1, expires_at = excluded.expires_at,
                    note = excluded.note
              where leases.expires_at <= $4 or leases.holder = $5
             returning fence",
        )
        .bind(name)
        .bind(&holder)
        .bind(now + lasts)
        .bind(now)
        .bind(dead)
        .bind(note)
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        match (fence, held) {
            (Some(fence), _) => Ok(Ok(Self {
                db: db.clone(),
                name: name.into(),
                holder,
                fence,
                lasts,
            })),
            (None, Some((by, until, note))) => Ok(Err(Held { by, until, note })),
            // Somebody took it between our two statements.
            (None, None) => Err(StoreError::Contended(None)),
        }
    }

    /// Grows with each change of hands: what is done under the lease carries it.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Makes it last longer; whether it was still ours.
    pub async fn renew(&self, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query("update leases set expires_at = $4 where name = $1 and holder = $2 and fence = $3")
            .bind(&self.name)
            .bind(&self.holder)
            .bind(self.fence)
            .bind(now + self.lasts)
            .execute(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives it back.
    pub async fn release(self) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        sqlx::query("delete from leases where name = $1 and holder = $2 and fence = $3")
            .bind(&self.name)
            .bind(&self.holder)
            .bind(self.fence)
            .execute(tx.conn())
            .await?;
        tx.commit().await
    }

    /// Renews until `stop`, then gives it back. Returns early, with whether it was given back, when it is lost:
    /// whoever acts under the lease must stop then.
    pub async fn keep(self, clock: Arc<dyn Clock>, stop: CancellationToken) -> bool {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.release().await.is_ok(),
                () = tokio::time::sleep(self.lasts / 3) => {}
            }
            match self.renew(clock.now()).await {
                Ok(true) => renewed = tokio::time::Instant::now(),
                Ok(false) => return false,
                Err(error) => {
                    tracing::warn!(lease = self.name, %error, "a lease could not be renewed");
                    if renewed.elapsed() >= self.lasts {
                        return false;
                    }
                }
            }
        }
    }
}

//! Transactions on the global tables.

use std::sync::Arc;

use micro_domain::Namespace;
use micro_tenancy::SystemTask;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;

use crate::{StoreError, jobs::Outbox};

/// Leave to open transactions on the global tables, for one reason.
#[derive(Clone)]
pub struct SystemDb {
    pool: PgPool,
    task: SystemTask,
    wake: Arc<Notify>,
}

impl SystemDb {
    pub(super) fn new(pool: PgPool, task: SystemTask, wake: Arc<Notify>) -> Self {
        Self { pool, task, wake }
    }

    /// Why this is open.
    pub fn task(&self) -> SystemTask {
        self.task
    }

    /// A transaction as the system role.
    pub async fn begin(&self) -> Result<SystemTx, StoreError> {
        let tx = self.pool.begin().await?;
        Ok(SystemTx {
            tx,
            queued: false,
            wake: self.wake.clone(),
        })
    }

    /// Rung when a job is queued in this process.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }
}

/// A transaction on the global tables. Dropped without a commit, it did nothing.
pub struct SystemTx {
    tx: Transaction<'static, Postgres>,
    queued: bool,
    wake: Arc<Notify>,
}

impl SystemTx {
    /// For one statement.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Makes it so, and wakes the worker if jobs were queued.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await?;
        if self.queued {
            self.wake.notify_one();
        }
        Ok(())
    }
}

impl Outbox for SystemTx {
    fn outbox(&mut self) -> (&mut PgConnection, Option<Namespace>) {
        self.queued = true;
        (&mut self.tx, None)
    }
}

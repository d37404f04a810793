//! A transaction in one namespace.

use std::sync::Arc;

use micro_domain::{Namespace, NamespaceId};
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::Notify;

use crate::{StoreError, jobs::Outbox};

/// A transaction in one tenant's namespace, as the serving role. Dropped without a commit, it did nothing.
pub struct Scoped {
    tx: Transaction<'static, Postgres>,
    namespace: Namespace,
    queued: bool,
    wake: Arc<Notify>,
}

impl Scoped {
    pub(super) fn new(tx: Transaction<'static, Postgres>, namespace: Namespace, wake: Arc<Notify>) -> Self {
        Self {
            tx,
            namespace,
            queued: false,
            wake,
        }
    }

    /// For a statement that names `namespace_id` itself, too.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Where this acts: bind it in every statement.
    pub fn namespace(&self) -> NamespaceId {
        self.namespace.id
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

impl Outbox for Scoped {
    fn outbox(&mut self) -> (&mut PgConnection, Option<Namespace>) {
        self.queued = true;
        (&mut self.tx, Some(self.namespace.clone()))
    }
}

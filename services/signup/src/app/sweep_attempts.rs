//! Attempts with which nobody went on end here.

use std::{error::Error, time::Duration};

use micro_storage::{jobs, retrying};
use time::Duration as Span;
use tokio_util::sync::CancellationToken;

use super::{Result, Signup};
use crate::{
    SignupError,
    attempt::LINK,
    jobs::TakeBack,
    store::{Attempts, Codes},
};

const EVERY: Duration = Duration::from_secs(60);
/// How long an attempt that ended is kept, for support.
const KEPT: Span = Span::days(30);

impl Signup {
    /// Sweeps once a minute until `stop`. Several replicas may do so at once.
    pub async fn keep_swept(&self, stop: CancellationToken) {
        let mut due = tokio::time::interval(EVERY);
        while stop.run_until_cancelled(due.tick()).await.is_some() {
            if let Err(e) = self.sweep().await {
                tracing::warn!(error = &e as &dyn Error, "expired sign-ups could not be swept");
            }
        }
    }

    /// Ends what has expired, has its reserved name taken back, and forgets what is long over.
    pub async fn sweep(&self) -> Result<()> {
        let (db, now) = (self.db(), self.now());
        let expired = retrying(async || {
            let mut tx = db.begin().await?;
            let expired = Attempts(&mut tx).expire(now).await?;
            for attempt in &expired {
                jobs::queue(&mut tx, TakeBack { attempt: *attempt }, now).await?;
            }
            Attempts(&mut tx).forget(now - KEPT).await?;
            Codes(&mut tx).forget(now - LINK - LINK).await?;
            tx.commit().await?;
            Ok::<_, SignupError>(expired)
        })
        .await?;
        expired.into_iter().for_each(|attempt| self.announce(attempt));
        Ok(())
    }
}

//! What an attempt that came to nothing leaves behind is taken down.

use micro_domain::AttemptId;
use micro_proto::namespaces::ReleaseRequest;
use micro_storage::{jobs, retrying};

use super::{Result, Signup};
use crate::{
    SignupError,
    jobs::{Deadline, MakeNamespace},
};

impl Signup {
    /// The undo of reserving and provisioning. Never for an attempt that may still be ready.
    pub(crate) async fn take_back(&self, id: AttemptId) -> Result<()> {
        let found = self.find_attempt(id).await?;
        if !found.is_some_and(|attempt| attempt.state.is_final() && attempt.ready_at.is_none()) {
            return Ok(());
        }
        self.ports()
            .namespaces
            .release(
                &self.caller(),
                ReleaseRequest {
                    attempt: id.to_string(),
                },
            )
            .await?;
        Ok(())
    }

    /// Fifteen minutes have passed: the saga's job, which may be waiting for its next try, is due now. Fails while
    /// the attempt is still under way, to look again.
    pub(crate) async fn enforce_deadline(&self, deadline: &Deadline) -> Result<()> {
        let late = self.find_attempt(deadline.attempt).await?.is_some_and(|attempt| {
            attempt.state.is_under_way()
                && attempt.payment_try == deadline.payment_try
                && attempt.is_too_late(self.now())
        });
        if !late {
            return Ok(());
        }
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            if !jobs::retry(&mut tx, deadline.job, now).await? {
                // It is running, and this is dropped as its double; or it is gone, and this takes its place.
                let make = MakeNamespace {
                    attempt: deadline.attempt,
                    payment_try: deadline.payment_try,
                };
                jobs::queue(&mut tx, make, now).await?;
            }
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        Err(SignupError::StillAtIt)
    }
}

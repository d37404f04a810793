//! Lets a parked or waiting job run now.

use micro_domain::{JobId, OperatorId};
use micro_storage::{jobs, retrying};
use micro_tenancy::SystemTask;

use super::OperatorsService;
use crate::{
    OperatorsError,
    store::{Audit, Deed},
};

impl OperatorsService {
    /// Makes the job due. The act and its audit row are one commit.
    pub(crate) async fn retry_job(&self, operator: OperatorId, id: &str, reason: &str) -> Result<(), OperatorsError> {
        let id: JobId = id.parse().map_err(|_| OperatorsError::Malformed("the job's id"))?;
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(OperatorsError::NoReason);
        }
        let now = self.clock.now();
        let target = id.to_string();
        let deed = Deed {
            operator: Some(operator),
            action: "jobs.retry",
            target: &target,
            reason,
        };
        let db = self.db.system(SystemTask::Operators);
        retrying(async || {
            let mut tx = db.begin().await?;
            if !jobs::retry(&mut tx, id, now).await? {
                return Err(OperatorsError::NotRetried);
            }
            Audit(&mut tx).add(deed, self.ids, now).await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}

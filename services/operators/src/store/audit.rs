//! The audit log: rows are added, nothing changes or removes them.

use micro_clock::Ids;
use micro_domain::OperatorId;
use micro_storage::SystemTx;
use time::OffsetDateTime;

use crate::OperatorsError;

/// What an operator did or looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed<'d> {
    /// Who; nobody where a login was refused.
    pub(crate) operator: Option<OperatorId>,
    /// `jobs.retry`
    pub(crate) action: &'static str,
    /// An id, never an address.
    pub(crate) target: &'d str,
    /// Why, in the operator's words.
    pub(crate) reason: &'d str,
}

/// The log.
pub(crate) struct Audit<'t>(pub(crate) &'t mut SystemTx);

impl Audit<'_> {
    pub(crate) async fn add(&mut self, deed: Deed<'_>, ids: Ids, now: OffsetDateTime) -> Result<(), OperatorsError> {
        sqlx::query(
            "insert into audit (audit_id, at, operator_id, action, target, reason) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(ids.random())
        .bind(now)
        .bind(deed.operator.map(OperatorId::uuid))
        .bind(deed.action)
        .bind(deed.target)
        .bind(deed.reason)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }
}

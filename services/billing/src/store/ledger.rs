//! The ledger: two lines a source, which add up to nothing, written once and never changed.

use micro_domain::{AttemptId, Money, NamespaceId};
use micro_storage::SystemTx;
use time::OffsetDateTime;

use crate::app::Result;

/// Where money comes from, or goes to. The other side is always what the provider owes us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// What tenants paid.
    Revenue,
    /// What was given back.
    Refunds,
}

/// One movement of money.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    /// What caused it: it is posted once.
    pub(crate) source: &'a str,
    pub(crate) namespace: NamespaceId,
    pub(crate) attempt: AttemptId,
    pub(crate) against: Account,
    /// Above zero when it comes in.
    pub(crate) amount: Money,
    pub(crate) at: OffsetDateTime,
}

pub(crate) struct Ledger<'t>(pub(crate) &'t mut SystemTx);

impl Ledger<'_> {
    /// Posts both lines, unless the source was posted before or moved nothing.
    pub(crate) async fn post(&mut self, entry: &Entry<'_>, now: OffsetDateTime) -> Result<bool> {
        if entry.amount.cents == 0 {
            return Ok(false);
        }
        let against = match entry.against {
            Account::Revenue => "revenue",
            Account::Refunds => "refunds",
        };
        let done = sqlx::query(
            "insert into ledger_entries (source, line, namespace_id, attempt_id, account, cents, currency, happened_at, recorded_at)
             values ($1, 1, $2, $3, 'provider', $5, $6, $7, $8), ($1, 2, $2, $3, $4, -$5, $6, $7, $8)
             on conflict do nothing",
        )
        .bind(entry.source)
        .bind(entry.namespace.uuid())
        .bind(entry.attempt.uuid())
        .bind(against)
        .bind(entry.amount.cents)
        .bind(entry.amount.currency.code())
        .bind(entry.at)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 2)
    }
}

//! Bills.

use micro_domain::{Money, NamespaceId};
use micro_payments::{Invoice, PaymentId, SubscriptionId};
use micro_storage::SystemTx;
use time::OffsetDateTime;

use crate::app::Result;

pub(crate) struct Invoices<'t>(pub(crate) &'t mut SystemTx);

impl Invoices<'_> {
    /// Writes a bill down as it stands. One that is paid stays so: an older reading does not undo it.
    pub(crate) async fn put(&mut self, namespace: NamespaceId, bill: &Invoice, now: OffsetDateTime) -> Result<()> {
        let subscription = bill
            .subscription
            .as_ref()
            .map(SubscriptionId::as_str)
            .unwrap_or_default();
        sqlx::query(
            "insert into invoices (namespace_id, invoice, subscription, number, status, cents_total, cents_paid, currency,
                                   payment, created_at, updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             on conflict (namespace_id, invoice) do update
                set number = excluded.number, status = excluded.status, cents_total = excluded.cents_total,
                    cents_paid = excluded.cents_paid, payment = excluded.payment, updated_at = excluded.updated_at
              where invoices.status <> 'paid'",
        )
        .bind(namespace.uuid())
        .bind(bill.id.as_str())
        .bind(subscription)
        .bind(&bill.number)
        .bind(&bill.status)
        .bind(bill.total.cents)
        .bind(bill.paid.cents)
        .bind(bill.total.currency.code())
        .bind(bill.payment.as_ref().map(PaymentId::as_str))
        .bind(bill.created_at)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    /// What a payment paid for.
    pub(crate) async fn subscription_of(&mut self, payment: &PaymentId) -> Result<Option<SubscriptionId>> {
        let found: Option<String> = sqlx::query_scalar("select subscription from invoices where payment = $1")
            .bind(payment.as_str())
            .fetch_optional(self.0.conn())
            .await?;
        Ok(found.map(SubscriptionId::new))
    }

    /// Adds to what was given back of a payment.
    pub(crate) async fn refunded(&mut self, payment: &PaymentId, amount: Money, now: OffsetDateTime) -> Result<()> {
        sqlx::query("update invoices set cents_refunded = cents_refunded + $2, updated_at = $3 where payment = $1")
            .bind(payment.as_str())
            .bind(amount.cents)
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(())
    }
}

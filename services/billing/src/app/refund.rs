//! An attempt's end: nothing more is charged, what runs is cancelled, the first bill's money goes back, once.

use micro_domain::{AttemptId, Money};
use micro_payments::{CustomerId, Invoice, NewRefund, Refund, Subscription, SubscriptionId};
use micro_storage::{jobs, retrying};
use time::Duration;

use super::{Billing, Result, keyed::Call, keyed::Operation};
use crate::{
    BillingError,
    jobs::RefundAttempt,
    store::{Customers, Keys, Row, Subscriptions},
};

/// How long a charge may be under way that nobody has heard of: looked for again after this.
const STRAY: Duration = Duration::minutes(10);

impl Billing {
    /// Gives back what the attempt was charged; how much that was.
    pub(crate) async fn refund(&self, attempt: AttemptId) -> Result<Money> {
        let nothing = Money::usd(0);
        let (account, row, stray) = self.close(attempt).await?;
        let Some(payments) = self.ports.payments.as_ref() else {
            if let Some(row) = row {
                self.end_row(&row).await?;
            }
            return Ok(nothing);
        };
        let found = match (row, account) {
            (Some(row), _) if row.is_free() => {
                self.end_row(&row).await?;
                return Ok(nothing);
            }
            (Some(row), _) => Some(row.subscription),
            (None, Some(customer)) => {
                let found = payments.find_subscription(&customer, attempt).await?;
                found.map(|s: Subscription| s.id).or(self.charged(attempt).await?)
            }
            (None, None) => None,
        };
        let Some(subscription) = found else {
            if stray {
                self.look_again(attempt).await?;
            }
            return Ok(nothing);
        };
        payments.cancel(&subscription).await?;
        self.sync_subscription(&subscription).await?;
        let bills = payments.list_invoices(&subscription).await?;
        for bill in &bills {
            self.take_bill(bill).await?;
        }
        match bills.iter().find(|bill| bill.paid.cents > 0) {
            Some(first) => self.give_back(attempt, first).await,
            None => Ok(nothing),
        }
    }

    /// From here on nothing is charged for the attempt. Its customer and subscription, as far as known, and whether a
    /// charge may be under way.
    async fn close(&self, attempt: AttemptId) -> Result<(Option<CustomerId>, Option<Row>, bool)> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            let account = Customers(&mut tx).close(attempt, now).await?;
            let row = Subscriptions(&mut tx).find_by_attempt(attempt).await?;
            let open = Keys(&mut tx).open(attempt, Operation::Subscribe).await?;
            tx.commit().await?;
            Ok((account.customer, row, !open.is_empty()))
        })
        .await
    }

    /// The subscription that a finished try made, should it not have been written down.
    async fn charged(&self, attempt: AttemptId) -> Result<Option<SubscriptionId>> {
        let db = self.db();
        let last = retrying(async || {
            let mut tx = db.begin().await?;
            let last = Keys(&mut tx).last(attempt, Operation::Subscribe).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(last)
        })
        .await?;
        let made: Option<Subscription> = last.and_then(|(_, stored)| serde_json::from_str(&stored.outcome).ok());
        Ok(made.map(|s| s.id))
    }

    async fn look_again(&self, attempt: AttemptId) -> Result<()> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            jobs::queue_at(&mut tx, RefundAttempt { attempt }, now + STRAY, now).await?;
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }

    async fn end_row(&self, row: &Row) -> Result<()> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Subscriptions(&mut tx).end(row, now).await?;
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }

    async fn give_back(&self, attempt: AttemptId, bill: &Invoice) -> Result<Money> {
        let payments = self.payments()?;
        let payment = bill.payment.as_ref().ok_or(BillingError::NotRecorded)?;
        let call = Call {
            attempt,
            operation: Operation::Refund,
            number: 1,
            subject: payment.as_str(),
        };
        let made: Refund = self
            .keyed(
                &call,
                async |key| payments.refund(&key, &NewRefund { attempt, payment }).await,
                async || {
                    Ok(payments
                        .list_refunds(payment)
                        .await?
                        .into_iter()
                        .find(|refund| refund.stands))
                },
            )
            .await?;
        self.take_money_back(&made).await?;
        Ok(made.amount)
    }
}

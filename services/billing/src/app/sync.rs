//! What the provider reports, made ours: always as it is now, never as an event says it was. Each may be repeated and
//! may come in any order.

use micro_domain::Money;
use micro_payments::{Invoice, InvoiceId, Refund, RefundId, Subscription, SubscriptionId};
use micro_storage::{SystemTx, jobs, retrying};
use time::OffsetDateTime;

use super::{Billing, Result};
use crate::{
    BillingError,
    jobs::RefundAttempt,
    store::{Account, Customers, Entry, Invoices, Ledger, Row, Subscriptions},
};

impl Billing {
    /// Reads a subscription and writes down how it stands.
    pub(crate) async fn sync_subscription(&self, id: &SubscriptionId) -> Result<()> {
        // What was read before somebody else wrote is read again.
        for _ in 0..10 {
            let before = self.row(id).await?;
            let now_there = match self.payments()?.get_subscription(id).await {
                Err(refused) if refused.is_missing() => return Ok(()),
                read => read?,
            };
            let written = match &before {
                Some(before) => self.update(before, &now_there).await?,
                None => {
                    self.take_subscription(&now_there).await?;
                    true
                }
            };
            if written {
                return Ok(());
            }
        }
        Err(BillingError::Store(micro_storage::StoreError::Contended(None)))
    }

    /// A subscription and every bill of it: what a lost webhook would have led to.
    pub(crate) async fn check_subscription(&self, id: &SubscriptionId) -> Result<()> {
        self.sync_subscription(id).await?;
        for bill in self.payments()?.list_invoices(id).await? {
            self.take_bill(&bill).await?;
        }
        Ok(())
    }

    /// Reads a bill and writes it down.
    pub(crate) async fn sync_invoice(&self, id: &InvoiceId) -> Result<()> {
        match self.payments()?.get_invoice(id).await {
            Err(refused) if refused.is_missing() => Ok(()),
            read => self.take_bill(&read?).await,
        }
    }

    /// Reads what was given back and writes it down.
    pub(crate) async fn sync_refund(&self, id: &RefundId) -> Result<()> {
        match self.payments()?.get_refund(id).await {
            Err(refused) if refused.is_missing() => Ok(()),
            read => self.take_money_back(&read?).await,
        }
    }

    async fn row(&self, id: &SubscriptionId) -> Result<Option<Row>> {
        let db = self.db();
        retrying(async || {
            let mut tx = db.begin().await?;
            let row = Subscriptions(&mut tx).find(id).await?;
            tx.commit().await?;
            Ok(row)
        })
        .await
    }

    /// Whether nothing was written since `before` was read.
    async fn update(&self, before: &Row, there: &Subscription) -> Result<bool> {
        let (db, now) = (self.db(), self.now());
        let after = Row {
            revision: before.revision,
            ..Row::of(there, before.attempt, before.namespace)
        };
        retrying(async || {
            let mut tx = db.begin().await?;
            let written = Subscriptions(&mut tx).update(&after, now).await?;
            self.queue_check(&mut tx, there, now).await?;
            self.refund_if_closed(&mut tx, &after, now).await?;
            tx.commit().await?;
            Ok(written)
        })
        .await
    }

    /// Writes down a subscription that the provider has: perhaps one whose reply we never got.
    async fn take_subscription(&self, there: &Subscription) -> Result<()> {
        if let Some(before) = self.row(&there.id).await? {
            return self.update(&before, there).await.map(drop);
        }
        let Some(purchase) = self.purchase_of(there).await? else {
            return Ok(());
        };
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            let row = Row::of(there, purchase.0, purchase.1);
            Subscriptions(&mut tx).add(&row, now).await?;
            self.queue_check(&mut tx, there, now).await?;
            self.refund_if_closed(&mut tx, &row, now).await?;
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }

    /// The attempt and namespace that a subscription pays for; none if it is not one of ours.
    async fn purchase_of(
        &self,
        there: &Subscription,
    ) -> Result<Option<(micro_domain::AttemptId, micro_domain::NamespaceId)>> {
        let Some(attempt) = there.attempt else { return Ok(None) };
        let db = self.db();
        let account = retrying(async || {
            let mut tx = db.begin().await?;
            let account = Customers(&mut tx).find(attempt).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(account)
        })
        .await?;
        Ok(account.and_then(|account| Some((attempt, account.namespace?))))
    }

    /// A charge that came through after its attempt was closed is given back; whether it was closed.
    pub(super) async fn refund_if_closed(&self, tx: &mut SystemTx, row: &Row, now: OffsetDateTime) -> Result<bool> {
        let closed = Customers(tx)
            .find(row.attempt)
            .await?
            .is_some_and(|account| account.closed);
        if closed && !row.status.is_over() {
            jobs::queue(tx, RefundAttempt { attempt: row.attempt }, now).await?;
        }
        Ok(closed)
    }

    /// Writes down a bill, and in the ledger that it was paid.
    pub(super) async fn take_bill(&self, bill: &Invoice) -> Result<()> {
        let Some(subscription) = &bill.subscription else {
            return Ok(());
        };
        let row = match self.row(subscription).await? {
            Some(row) => row,
            None => {
                self.sync_subscription(subscription).await?;
                match self.row(subscription).await? {
                    Some(row) => row,
                    None => {
                        tracing::warn!(invoice = %bill.id, "a bill that is not of ours");
                        return Ok(());
                    }
                }
            }
        };
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Invoices(&mut tx).put(row.namespace, bill, now).await?;
            let source = format!("invoice:{}", bill.id);
            let paid = entry(&source, &row, Account::Revenue, bill.paid, bill.created_at);
            Ledger(&mut tx).post(&paid, now).await?;
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }

    /// Writes down what was given back, in the ledger and beside its bill.
    pub(super) async fn take_money_back(&self, refund: &Refund) -> Result<()> {
        if !refund.stands {
            return Ok(());
        }
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            let of = Invoices(&mut tx).subscription_of(&refund.payment).await?;
            let row = match of {
                Some(subscription) => Subscriptions(&mut tx).find(&subscription).await?,
                None => None,
            };
            let row = row.ok_or(BillingError::NotRecorded)?;
            let back = Money {
                cents: -refund.amount.cents,
                ..refund.amount
            };
            let source = format!("refund:{}", refund.id);
            if Ledger(&mut tx)
                .post(&entry(&source, &row, Account::Refunds, back, refund.created_at), now)
                .await?
            {
                Invoices(&mut tx).refunded(&refund.payment, refund.amount, now).await?;
            }
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }
}

fn entry<'a>(source: &'a str, row: &Row, against: Account, amount: Money, at: OffsetDateTime) -> Entry<'a> {
    Entry {
        source,
        namespace: row.namespace,
        attempt: row.attempt,
        against,
        amount,
        at,
    }
}

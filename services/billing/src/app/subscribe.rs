//! The first charge.

use micro_domain::{AttemptId, Email, NamespaceId, Plan};
use micro_payments::{CardId, Customer, CustomerId, NewSubscription, Subscription, SubscriptionId, SubscriptionStatus};
use micro_storage::{jobs, retrying};
use time::OffsetDateTime;

use super::{Billing, Result, keyed::Call, keyed::Operation};
use crate::{
    BillingError,
    jobs::{CheckSubscription, TakeInvoice},
    store::{Customers, Keys, Row, Subscriptions},
};

/// Who buys what with which card.
pub(crate) struct Purchase {
    pub(crate) attempt: AttemptId,
    pub(crate) email: Email,
    pub(crate) card: CardId,
    /// Grows with each declined card.
    pub(crate) number: u32,
    pub(crate) namespace: NamespaceId,
}

impl Billing {
    /// Charges the first month, once: the attempt's subscription from then on.
    pub(crate) async fn subscribe(&self, purchase: &Purchase) -> Result<Row> {
        if let Some(row) = self.live_row(purchase).await? {
            return Ok(row);
        }
        if self.ports.payments.is_none() {
            return self.subscribe_for_free(purchase).await;
        }
        let customer = self.ensure_customer(purchase.attempt, &purchase.email).await?;
        self.open_account(purchase).await?;
        // A lower try whose outcome is not known comes first, with its own card and key: it may have charged.
        for (number, card) in self.unknown_tries(purchase).await? {
            let earlier = Purchase {
                number,
                card,
                email: purchase.email.clone(),
                ..*purchase
            };
            match self.charge(&earlier, &customer).await {
                Ok(made) => return self.record(purchase, &made).await,
                Err(BillingError::Declined { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        let made = self.charge(purchase, &customer).await?;
        self.record(purchase, &made).await
    }

    /// The subscription that the attempt has already.
    async fn live_row(&self, purchase: &Purchase) -> Result<Option<Row>> {
        let db = self.db();
        let live = retrying(async || {
            let mut tx = db.begin().await?;
            let live = Subscriptions(&mut tx).live_of_namespace(purchase.namespace).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(live)
        })
        .await?;
        match live {
            Some(row) if row.attempt != purchase.attempt => Err(BillingError::AlreadySubscribed),
            Some(row) if !row.status.is_paid() => Err(BillingError::NotPaid),
            found => {
                self.refuse_if_closed(purchase.attempt).await?;
                Ok(found)
            }
        }
    }

    /// Money that was given back is not taken again.
    pub(super) async fn refuse_if_closed(&self, attempt: AttemptId) -> Result<()> {
        let db = self.db();
        let account = retrying(async || {
            let mut tx = db.begin().await?;
            let account = Customers(&mut tx).find(attempt).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(account)
        })
        .await?;
        match account {
            Some(account) if account.closed => Err(BillingError::Closed),
            _ => Ok(()),
        }
    }

    /// Records what the attempt pays for before it pays: a webhook may be faster than our own reply.
    async fn open_account(&self, purchase: &Purchase) -> Result<()> {
        let db = self.db();
        let opened = retrying(async || {
            let mut tx = db.begin().await?;
            let opened = Customers(&mut tx).pay_for(purchase.attempt, purchase.namespace).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(opened)
        })
        .await?;
        if opened { Ok(()) } else { Err(BillingError::Closed) }
    }

    async fn unknown_tries(&self, purchase: &Purchase) -> Result<Vec<(u32, CardId)>> {
        let db = self.db();
        let open = retrying(async || {
            let mut tx = db.begin().await?;
            let open = Keys(&mut tx).open(purchase.attempt, Operation::Subscribe).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(open)
        })
        .await?;
        let lower = open.into_iter().filter(|(number, _)| *number < purchase.number);
        Ok(lower
            .map(|(number, stored)| (number, CardId::new(stored.subject)))
            .collect())
    }

    async fn charge(&self, purchase: &Purchase, customer: &Customer) -> Result<Subscription> {
        let payments = self.payments()?;
        let Purchase {
            attempt, number, card, ..
        } = purchase;
        let namespace = purchase.namespace.to_string();
        let wanted = NewSubscription {
            attempt: *attempt,
            namespace: &namespace,
            customer: &customer.id,
            card,
            plan: Plan::Developer,
        };
        let call = Call {
            attempt: *attempt,
            operation: Operation::Subscribe,
            number: *number,
            subject: card.as_str(),
        };
        let made = self
            .keyed(
                &call,
                async |key| payments.subscribe(&key, &wanted).await,
                async || payments.find_subscription(&customer.id, *attempt).await,
            )
            .await?;
        if made.status.is_paid() {
            Ok(made)
        } else {
            Err(BillingError::NotPaid)
        }
    }

    /// Writes the subscription down, and has its first bill and its next renewal looked at.
    async fn record(&self, purchase: &Purchase, made: &Subscription) -> Result<Row> {
        let (db, now) = (self.db(), self.now());
        let (stored, closed) = retrying(async || {
            let mut tx = db.begin().await?;
            let row = Row::of(made, purchase.attempt, purchase.namespace);
            Subscriptions(&mut tx).add(&row, now).await?;
            let stored = Subscriptions(&mut tx).find(&made.id).await?;
            let stored = stored.filter(|stored| stored.namespace == purchase.namespace);
            let Some(stored) = stored else {
                tracing::error!(
                    alarm = "billing.two_subscriptions", namespace.id = %purchase.namespace, attempt.id = %purchase.attempt,
                    subscription = %made.id, "a second subscription for one namespace: its attempt must be refunded"
                );
                return Err(BillingError::AlreadySubscribed);
            };
            if let Some(invoice) = &made.latest_invoice {
                jobs::queue(&mut tx, TakeInvoice { invoice: invoice.clone() }, now).await?;
            }
            self.queue_check(&mut tx, made, now).await?;
            let closed = self.refund_if_closed(&mut tx, &stored, now).await?;
            tx.commit().await?;
            Ok((stored, closed))
        })
        .await?;
        match closed {
            true => Err(BillingError::Closed),
            false if stored.status.is_paid() => Ok(stored),
            false => Err(BillingError::NotPaid),
        }
    }

    /// A look at the subscription after its period's end, in case no webhook comes.
    pub(super) async fn queue_check(
        &self,
        tx: &mut micro_storage::SystemTx,
        subscription: &Subscription,
        now: OffsetDateTime,
    ) -> Result<()> {
        if !subscription.status.is_over() {
            let check = CheckSubscription {
                subscription: subscription.id.clone(),
                after: subscription.period_ends_at,
            };
            let due = check.due().max(now);
            jobs::queue_at(tx, check, due, now).await?;
        }
        Ok(())
    }

    async fn subscribe_for_free(&self, purchase: &Purchase) -> Result<Row> {
        let row = Row {
            namespace: purchase.namespace,
            subscription: SubscriptionId::new(format!("free_{}", purchase.attempt)),
            attempt: purchase.attempt,
            customer: CustomerId::new("none"),
            status: SubscriptionStatus::Free,
            price: micro_domain::Money::usd(0),
            period_ends_at: None,
            revision: 1,
        };
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Subscriptions(&mut tx).add(&row, now).await?;
            let stored = Subscriptions(&mut tx).find(&row.subscription).await?;
            tx.commit().await?;
            stored.ok_or(BillingError::AlreadySubscribed)
        })
        .await
    }
}

//! Subscriptions, one live one a namespace.

use micro_domain::{AttemptId, Currency, Money, NamespaceId};
use micro_payments::{CustomerId, Subscription, SubscriptionId, SubscriptionStatus};
use micro_storage::{Scoped, StoreError, SystemTx};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::Result;

/// A subscription as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) namespace: NamespaceId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) attempt: AttemptId,
    pub(crate) customer: CustomerId,
    pub(crate) status: SubscriptionStatus,
    pub(crate) price: Money,
    pub(crate) period_ends_at: Option<OffsetDateTime>,
    pub(crate) revision: i64,
}

impl Row {
    /// What the provider has, as our row.
    pub(crate) fn of(there: &Subscription, attempt: AttemptId, namespace: NamespaceId) -> Self {
        Self {
            namespace,
            subscription: there.id.clone(),
            attempt,
            customer: there.customer.clone(),
            status: there.status,
            price: there.price,
            period_ends_at: Some(there.period_ends_at),
            revision: 1,
        }
    }

    /// Whether the provider knows nothing of it.
    pub(crate) fn is_free(&self) -> bool {
        self.status == SubscriptionStatus::Free || self.subscription.as_str().starts_with("free_")
    }
}

type Columns = (
    Uuid,
    String,
    Uuid,
    String,
    String,
    i64,
    String,
    Option<OffsetDateTime>,
    i64,
);

fn row(columns: Columns) -> Result<Row> {
    let (namespace, subscription, attempt, customer, status, cents, currency, period_ends_at, revision) = columns;
    if currency != Currency::Usd.code() {
        return Err(StoreError::Damaged(format!("a stored currency: {currency}")).into());
    }
    Ok(Row {
        namespace: NamespaceId::new(namespace),
        subscription: SubscriptionId::new(subscription),
        attempt: AttemptId::new(attempt),
        customer: CustomerId::new(customer),
        status: SubscriptionStatus::parse(&status),
        price: Money::usd(cents),
        period_ends_at,
        revision,
    })
}

/// The subscription of the namespace that the transaction is in: the live one, or the last.
pub(crate) async fn own_subscription(tx: &mut Scoped) -> Result<Option<Row>> {
    let namespace = tx.namespace();
    let found: Option<Columns> = sqlx::query_as(
        "select namespace_id, subscription, attempt_id, customer, status, cents, currency, period_ends_at, revision
           from subscriptions where namespace_id = $1
          order by case when ended_at is null then 0 else 1 end, created_at desc limit 1",
    )
    .bind(namespace.uuid())
    .fetch_optional(tx.conn())
    .await?;
    found.map(row).transpose()
}

pub(crate) struct Subscriptions<'t>(pub(crate) &'t mut SystemTx);

impl Subscriptions<'_> {
    /// Adds one, unless it is there or the namespace has a live one.
    pub(crate) async fn add(&mut self, row: &Row, now: OffsetDateTime) -> Result<()> {
        sqlx::query(
            "insert into subscriptions (namespace_id, subscription, attempt_id, customer, status, cents, currency,
                                        period_ends_at, created_at, updated_at, ended_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
             on conflict do nothing",
        )
        .bind(row.namespace.uuid())
        .bind(row.subscription.as_str())
        .bind(row.attempt.uuid())
        .bind(row.customer.as_str())
        .bind(row.status.as_str())
        .bind(row.price.cents)
        .bind(row.price.currency.code())
        .bind(row.period_ends_at)
        .bind(now)
        .bind(row.status.is_over().then_some(now))
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    /// Writes how it stands, unless somebody wrote since this was read.
    pub(crate) async fn update(&mut self, row: &Row, now: OffsetDateTime) -> Result<bool> {
        let done = sqlx::query(
            "update subscriptions
                set status = $3, cents = $4, currency = $5, period_ends_at = $6, revision = revision + 1, updated_at = $7,
                    ended_at = case when $8 then coalesce(ended_at, $7) else null end
              where namespace_id = $1 and subscription = $2 and revision = $9",
        )
        .bind(row.namespace.uuid())
        .bind(row.subscription.as_str())
        .bind(row.status.as_str())
        .bind(row.price.cents)
        .bind(row.price.currency.code())
        .bind(row.period_ends_at)
        .bind(now)
        .bind(row.status.is_over())
        .bind(row.revision)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends one that the provider knows nothing of.
    pub(crate) async fn end(&mut self, row: &Row, now: OffsetDateTime) -> Result<()> {
        sqlx::query(
            "update subscriptions set status = 'canceled', ended_at = $3, updated_at = $3, revision = revision + 1
              where namespace_id = $1 and subscription = $2 and ended_at is null",
        )
        .bind(row.namespace.uuid())
        .bind(row.subscription.as_str())
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    pub(crate) async fn find(&mut self, id: &SubscriptionId) -> Result<Option<Row>> {
        let found: Option<Columns> = sqlx::query_as(
            "select namespace_id, subscription, attempt_id, customer, status, cents, currency, period_ends_at, revision
               from subscriptions where subscription = $1",
        )
        .bind(id.as_str())
        .fetch_optional(self.0.conn())
        .await?;
        found.map(row).transpose()
    }

    /// The attempt's: the live one, or the last.
    pub(crate) async fn find_by_attempt(&mut self, attempt: AttemptId) -> Result<Option<Row>> {
        let found: Option<Columns> = sqlx::query_as(
            "select namespace_id, subscription, attempt_id, customer, status, cents, currency, period_ends_at, revision
               from subscriptions where attempt_id = $1
              order by case when ended_at is null then 0 else 1 end, created_at desc limit 1",
        )
        .bind(attempt.uuid())
        .fetch_optional(self.0.conn())
        .await?;
        found.map(row).transpose()
    }

    pub(crate) async fn live_of_namespace(&mut self, namespace: NamespaceId) -> Result<Option<Row>> {
        let found: Option<Columns> = sqlx::query_as(
            "select namespace_id, subscription, attempt_id, customer, status, cents, currency, period_ends_at, revision
               from subscriptions where namespace_id = $1 and ended_at is null",
        )
        .bind(namespace.uuid())
        .fetch_optional(self.0.conn())
        .await?;
        found.map(row).transpose()
    }

    /// The live one, or the last.
    pub(crate) async fn last_of_namespace(&mut self, namespace: NamespaceId) -> Result<Option<Row>> {
        let found: Option<Columns> = sqlx::query_as(
            "select namespace_id, subscription, attempt_id, customer, status, cents, currency, period_ends_at, revision
               from subscriptions where namespace_id = $1
              order by case when ended_at is null then 0 else 1 end, created_at desc limit 1",
        )
        .bind(namespace.uuid())
        .fetch_optional(self.0.conn())
        .await?;
        found.map(row).transpose()
    }
}

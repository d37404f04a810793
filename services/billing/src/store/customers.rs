//! Who is charged for which attempt.

use micro_domain::{AttemptId, NamespaceId};
use micro_payments::CustomerId;
use micro_storage::SystemTx;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::Result;

/// An attempt's account with us.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) customer: Option<CustomerId>,
    pub(crate) namespace: Option<NamespaceId>,
    pub(crate) closed: bool,
}

pub(crate) struct Customers<'t>(pub(crate) &'t mut SystemTx);

impl Customers<'_> {
    pub(crate) async fn record(
        &mut self,
        attempt: AttemptId,
        customer: &CustomerId,
        now: OffsetDateTime,
    ) -> Result<()> {
        sqlx::query(
            "insert into customers (attempt_id, customer, created_at) values ($1, $2, $3)
             on conflict (attempt_id) do update set customer = excluded.customer",
        )
        .bind(attempt.uuid())
        .bind(customer.as_str())
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(())
    }

    /// Says what the attempt pays for; false if it is closed.
    pub(crate) async fn pay_for(&mut self, attempt: AttemptId, namespace: NamespaceId) -> Result<bool> {
        let done = sqlx::query("update customers set namespace_id = $2 where attempt_id = $1 and closed_at is null")
            .bind(attempt.uuid())
            .bind(namespace.uuid())
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Nothing is charged for the attempt from here on.
    pub(crate) async fn close(&mut self, attempt: AttemptId, now: OffsetDateTime) -> Result<Customer> {
        let row: (Option<String>, Option<Uuid>) = sqlx::query_as(
            "insert into customers (attempt_id, created_at, closed_at) values ($1, $2, $2)
             on conflict (attempt_id) do update set closed_at = coalesce(customers.closed_at, excluded.closed_at)
             returning customer, namespace_id",
        )
        .bind(attempt.uuid())
        .bind(now)
        .fetch_one(self.0.conn())
        .await?;
        Ok(Customer {
            customer: row.0.map(CustomerId::new),
            namespace: row.1.map(NamespaceId::new),
            closed: true,
        })
    }

    pub(crate) async fn find(&mut self, attempt: AttemptId) -> Result<Option<Customer>> {
        let row: Option<(Option<String>, Option<Uuid>, Option<OffsetDateTime>)> =
            sqlx::query_as("select customer, namespace_id, closed_at from customers where attempt_id = $1")
                .bind(attempt.uuid())
                .fetch_optional(self.0.conn())
                .await?;
        Ok(row.map(|(customer, namespace, closed_at)| Customer {
            customer: customer.map(CustomerId::new),
            namespace: namespace.map(NamespaceId::new),
            closed: closed_at.is_some(),
        }))
    }
}

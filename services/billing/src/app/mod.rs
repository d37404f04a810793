//! The operations. Past the door only domain types travel.

mod checkout;
mod keyed;
mod read;
mod refund;
mod subscribe;
mod sync;

use std::sync::Arc;

use micro_clock::Clock;
use micro_domain::{AttemptId, Email};
use micro_payments::{Customer, NewCustomer, Payments};
use micro_storage::{Db, SystemDb, retrying};
use micro_tenancy::SystemTask;
use time::OffsetDateTime;

pub(crate) use self::keyed::Call;
pub use self::keyed::Operation;
pub(crate) use self::{checkout::Returns, subscribe::Purchase};
use crate::{BillingError, store::Customers};

pub(crate) type Result<T> = std::result::Result<T, BillingError>;

/// What billing stands on.
#[derive(Clone)]
pub struct Ports {
    /// Where it is all recorded.
    pub db: Db,
    /// Who takes the money; none where `MICRO_PAYMENTS=off`, and everything is free.
    pub payments: Option<Arc<dyn Payments>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Billing. Boot hands it out as `Arc<dyn micro_proto::billing::Billing>`, mounts [`Billing::webhooks`] on the web door
/// and gives [`Billing::on_jobs`] to the worker.
#[derive(Clone)]
pub struct Billing {
    ports: Ports,
}

impl Billing {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self { ports }
    }

    pub(crate) fn db(&self) -> SystemDb {
        self.ports.db.system(SystemTask::Billing)
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.ports.clock.now()
    }

    pub(crate) fn payments(&self) -> Result<&Arc<dyn Payments>> {
        self.ports.payments.as_ref().ok_or(BillingError::Off)
    }

    /// The attempt's customer at the provider: made once, known from then on.
    async fn ensure_customer(&self, attempt: AttemptId, email: &Email) -> Result<Customer> {
        let payments = self.payments()?;
        let call = Call {
            attempt,
            operation: Operation::Customer,
            number: 1,
            subject: "",
        };
        let customer: Customer = self
            .keyed(
                &call,
                async |key| payments.create_customer(&key, &NewCustomer { attempt, email }).await,
                async || payments.find_customer(attempt, email).await,
            )
            .await?;
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            Customers(&mut tx).record(attempt, &customer.id, now).await?;
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await?;
        Ok(customer)
    }
}

//! What follows a commit: events acted on, bills taken over, charges given back that nobody waits for.

use micro_domain::AttemptId;
use micro_payments::{InvoiceId, RefundId, SubscriptionId};
use micro_storage::{
    jobs::{Job, Worker},
    retrying,
};
use micro_tenancy::SystemTask;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Billing, BillingError, app::Result, store::Events};

/// A bill is a draft for an hour after its period begins; webhooks have had their time by then.
const SETTLED: Duration = Duration::hours(2);

/// Reads what an event is about, and writes down how it stands now.
#[derive(Serialize, Deserialize)]
pub(crate) struct ActOnEvent {
    pub(crate) event: String,
}

impl Job for ActOnEvent {
    const KIND: &'static str = "billing.act_on_event";
    const TASK: SystemTask = SystemTask::Billing;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.event.clone())
    }
}

/// Takes over a bill.
#[derive(Serialize, Deserialize)]
pub(crate) struct TakeInvoice {
    pub(crate) invoice: InvoiceId,
}

impl Job for TakeInvoice {
    const KIND: &'static str = "billing.take_invoice";
    const TASK: SystemTask = SystemTask::Billing;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.invoice.to_string())
    }
}

/// Looks at a subscription after a period's end, whether or not a webhook came.
#[derive(Serialize, Deserialize)]
pub(crate) struct CheckSubscription {
    pub(crate) subscription: SubscriptionId,
    /// The period's end: one check each.
    #[serde(with = "time::serde::timestamp")]
    pub(crate) after: OffsetDateTime,
}

impl CheckSubscription {
    /// When.
    pub(crate) fn due(&self) -> OffsetDateTime {
        self.after + SETTLED
    }
}

impl Job for CheckSubscription {
    const KIND: &'static str = "billing.check_subscription";
    const TASK: SystemTask = SystemTask::Billing;

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{} {}", self.subscription, self.after.unix_timestamp()))
    }
}

/// Gives back what came through after its attempt was closed.
#[derive(Serialize, Deserialize)]
pub(crate) struct RefundAttempt {
    pub(crate) attempt: AttemptId,
}

impl Job for RefundAttempt {
    const KIND: &'static str = "billing.refund_attempt";
    const TASK: SystemTask = SystemTask::Billing;
    // Money that is owed is tried for days before an operator must look.
    const LIMIT: u32 = 500;
}

impl Billing {
    /// The same worker, with billing's jobs.
    #[must_use]
    pub fn on_jobs(&self, worker: Worker) -> Worker {
        let (act, take, check, refund) = (self.clone(), self.clone(), self.clone(), self.clone());
        worker
            .on(move |job: ActOnEvent, _| {
                let billing = act.clone();
                async move { Ok(billing.act_on_event(&job.event).await?) }
            })
            .on(move |job: TakeInvoice, _| {
                let billing = take.clone();
                async move { Ok(billing.sync_invoice(&job.invoice).await?) }
            })
            .on(move |job: CheckSubscription, _| {
                let billing = check.clone();
                async move { Ok(billing.check_subscription(&job.subscription).await?) }
            })
            .on(move |job: RefundAttempt, _| {
                let billing = refund.clone();
                async move {
                    let given_back = billing.refund(job.attempt).await?;
                    tracing::warn!(attempt.id = %job.attempt, cents = given_back.cents, "gave back what was charged too late");
                    Ok(())
                }
            })
    }

    async fn act_on_event(&self, id: &str) -> Result<()> {
        let db = self.db();
        let event = retrying(async || {
            let mut tx = db.begin().await?;
            let event = Events(&mut tx).find(id).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(event)
        })
        .await?;
        let Some(event) = event else { return Ok(()) };
        // Objects that follow from these (charges, payment intents) or precede them (cards, pages) need no act.
        match event.object.as_str() {
            "subscription" => self.sync_subscription(&SubscriptionId::new(event.object_id)).await?,
            "invoice" => self.sync_invoice(&InvoiceId::new(event.object_id)).await?,
            "refund" => self.sync_refund(&RefundId::new(event.object_id)).await?,
            _ => {}
        }
        let now = self.now();
        retrying(async || {
            let mut tx = db.begin().await?;
            Events(&mut tx).acted(id, now).await?;
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }
}

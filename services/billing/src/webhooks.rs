//! What the payment provider reports: verify, keep once, answer; then act, in a job.

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::{MethodRouter, post},
};
use micro_payments::{Event, WebhookError};
use micro_storage::{jobs, retrying};

use crate::{Billing, BillingError, jobs::ActOnEvent, store::Events};

/// An event is an object with its nearest relations: far below this.
const LIMIT: usize = 512 << 10;

impl Billing {
    /// The payment provider's way in, for the web door.
    pub fn webhooks(&self) -> MethodRouter {
        post(receive)
            .layer(DefaultBodyLimit::max(LIMIT))
            .with_state(self.clone())
    }

    /// Keeps an event unless it is kept already, and has it acted on.
    async fn keep(&self, event: &Event) -> Result<(), BillingError> {
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            if Events(&mut tx).add(event, now).await? {
                jobs::queue(
                    &mut tx,
                    ActOnEvent {
                        event: event.id.clone(),
                    },
                    now,
                )
                .await?;
            }
            Ok::<_, BillingError>(tx.commit().await?)
        })
        .await
    }
}

async fn receive(State(billing): State<Billing>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(payments) = billing.payments() else {
        return StatusCode::NOT_FOUND;
    };
    let signature = headers
        .get("stripe-signature")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match payments.verify_webhook(&body, signature, billing.now()) {
        Ok(event) => match billing.keep(&event).await {
            Ok(()) => StatusCode::OK,
            Err(error) => {
                tracing::error!(
                    event.id,
                    error = &error as &dyn std::error::Error,
                    "a webhook could not be kept"
                );
                // The provider sends it again.
                StatusCode::INTERNAL_SERVER_ERROR
            }
        },
        Err(WebhookError::WrongMode) => {
            tracing::error!(
                alarm = "billing.livemode",
                "a webhook of the other mode: a test endpoint for a live key, or the reverse"
            );
            StatusCode::BAD_REQUEST
        }
        Err(refused) => {
            tracing::warn!(reason = %refused, "a webhook was not believed");
            StatusCode::BAD_REQUEST
        }
    }
}

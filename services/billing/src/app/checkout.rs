//! The page on which a card is entered.

use micro_domain::{AttemptId, Email};
use micro_payments::{CardId, Checkout, CheckoutId, CheckoutState, NewCheckout, PaymentsError, StoredCheckout};
use micro_storage::retrying;

use super::{Billing, Result, keyed::Call, keyed::Operation};
use crate::{BillingError, store::Keys};

/// Where the browser comes back to.
pub(crate) struct Returns<'a> {
    pub(crate) success: &'a str,
    pub(crate) cancel: &'a str,
}

impl Billing {
    /// The attempt's open page, or a new one where the last is used up.
    pub(crate) async fn start_checkout(&self, attempt: AttemptId, email: &Email, to: &Returns<'_>) -> Result<Checkout> {
        let payments = self.payments()?;
        self.refuse_if_closed(attempt).await?;
        let customer = self.ensure_customer(attempt, email).await?;
        let subject = to.success;
        let db = self.db();
        let last = retrying(async || {
            let mut tx = db.begin().await?;
            let last = Keys(&mut tx).last(attempt, Operation::Checkout).await?;
            tx.commit().await?;
            Ok::<_, BillingError>(last)
        })
        .await?;
        let mut number = last.as_ref().map_or(1, |(number, _)| *number);
        if let Some((_, stored)) = last {
            let page: Option<Checkout> = serde_json::from_str(&stored.outcome).ok();
            match page {
                Some(page) if stored.subject == subject && self.is_open(&page.id).await? => return Ok(page),
                None if stored.subject == subject => {}
                _ => number += 1,
            }
        }
        let wanted = NewCheckout {
            attempt,
            customer: &customer.id,
            success_url: to.success,
            cancel_url: to.cancel,
        };
        let call = Call {
            attempt,
            operation: Operation::Checkout,
            number,
            subject,
        };
        // A page that nobody knows of harms nobody: there is no list to look for it in.
        self.keyed(
            &call,
            async |key| payments.start_checkout(&key, &wanted).await,
            async || Ok(None),
        )
        .await
    }

    async fn is_open(&self, page: &CheckoutId) -> Result<bool> {
        match self.payments()?.read_checkout(page).await {
            Ok(read) => Ok(read.state == CheckoutState::Open),
            Err(refused) if refused.is_missing() => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// What became of a page of this attempt. Another attempt's is not there.
    pub(crate) async fn read_checkout(
        &self,
        attempt: AttemptId,
        page: &CheckoutId,
    ) -> Result<(&'static str, Option<CardId>)> {
        let read = match self.payments()?.read_checkout(page).await {
            Err(PaymentsError::Refused { .. }) => return Err(BillingError::NoCheckout),
            read => read?,
        };
        match read {
            StoredCheckout { attempt: of, .. } if of != Some(attempt) => Err(BillingError::NoCheckout),
            StoredCheckout {
                state: CheckoutState::Open,
                ..
            } => Ok(("open", None)),
            StoredCheckout {
                state: CheckoutState::Complete(card),
                ..
            } => Ok(("complete", Some(card))),
            StoredCheckout {
                state: CheckoutState::Expired,
                ..
            } => Ok(("expired", None)),
        }
    }
}

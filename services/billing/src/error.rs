//! What can go wrong with money.

use micro_error::{Error, Kind};
use micro_payments::PaymentsError;
use micro_storage::StoreError;

/// Why a billing operation was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// A field that is not what it should be.
    #[error("{0} is not valid")]
    Malformed(&'static str),
    /// The card said no, in the provider's words for its holder.
    #[error("{reason}")]
    Declined {
        /// For the holder.
        reason: String,
        /// Stable: `insufficient_funds`, …
        code: String,
    },
    /// A try was used before, for another card.
    #[error("that try was for another card: use a higher one")]
    TryUsed,
    /// The attempt's money was given back, or is to be.
    #[error("this sign-up is closed: nothing is charged for it any more")]
    Closed,
    /// The namespace is paid for by another attempt.
    #[error("that namespace has a subscription already")]
    AlreadySubscribed,
    /// Charged, but the provider does not call it paid.
    #[error("the subscription is not paid yet")]
    NotPaid,
    /// No page of this attempt.
    #[error("there is no such checkout page")]
    NoCheckout,
    /// Nothing is paid for there.
    #[error("there is no subscription")]
    NoSubscription,
    /// `MICRO_PAYMENTS=off`.
    #[error("payments are off on this platform")]
    Off,
    /// An object that we do not know yet.
    #[error("the payment provider reports on something that is not recorded yet")]
    NotRecorded,
    /// The provider did not do as asked, or it is not known.
    #[error("asking the payment provider")]
    Payments(#[source] PaymentsError),
    /// Storage failed.
    #[error("storing what was paid")]
    Store(#[from] StoreError),
}

impl From<PaymentsError> for BillingError {
    fn from(e: PaymentsError) -> Self {
        match e {
            PaymentsError::Declined { reason, code } => Self::Declined { reason, code },
            other => Self::Payments(other),
        }
    }
}

impl From<sqlx::Error> for BillingError {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

impl From<BillingError> for Error {
    fn from(e: BillingError) -> Self {
        use BillingError as B;
        let (kind, id) = match &e {
            B::Malformed(_) => (Kind::Invalid, "billing.malformed"),
            B::Declined { .. } => (Kind::PaymentRequired, "billing.declined"),
            B::TryUsed => (Kind::Conflict, "billing.try_used"),
            B::Closed => (Kind::Conflict, "billing.closed"),
            B::AlreadySubscribed => (Kind::Conflict, "billing.already_subscribed"),
            B::NoCheckout => (Kind::NotFound, "billing.no_checkout"),
            B::NoSubscription => (Kind::NotFound, "billing.no_subscription"),
            B::Off => (Kind::Conflict, "billing.off"),
            B::NotPaid | B::NotRecorded | B::Payments(PaymentsError::Unknown { .. }) => {
                let message = "The payment provider has not answered. Please try again in a moment.";
                return Self::new(Kind::Unavailable, "billing.unknown", message).because(e);
            }
            B::Payments(_) | B::Store(_) => return Self::internal(e),
        };
        Self::new(kind, id, e.to_string())
    }
}

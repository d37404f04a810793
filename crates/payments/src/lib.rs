//! Taking money, in our words: a trait whose verbs may be repeated, Stripe behind it, and a provider in memory.

mod error;
#[cfg(any(test, feature = "fake"))]
mod fake;
mod payments;
#[cfg(feature = "stripe")]
mod stripe;
mod values;
mod webhook;

pub use error::PaymentsError;
#[cfg(any(test, feature = "fake"))]
pub use fake::{FakePayments, Fault};
pub use payments::Payments;
#[cfg(feature = "stripe")]
pub use stripe::{InvalidConfig, StripeConfig, StripePayments};
pub use values::{
    CardId, Checkout, CheckoutId, CheckoutState, Customer, CustomerId, Invoice, InvoiceId, Key, NewCheckout,
    NewCustomer, NewRefund, NewSubscription, PaymentId, Refund, RefundId, StoredCheckout, Subscription, SubscriptionId,
    SubscriptionStatus,
};
pub use webhook::{Event, WebhookError, WebhookVerifier};

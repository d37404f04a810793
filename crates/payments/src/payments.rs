//! The verbs. Each may be repeated: under the same key, or because it only asks.

use async_trait::async_trait;
use micro_domain::{AttemptId, Email};
use time::OffsetDateTime;

use crate::{
    Checkout, CheckoutId, Customer, CustomerId, Event, Invoice, InvoiceId, Key, NewCheckout, NewCustomer, NewRefund,
    NewSubscription, PaymentId, PaymentsError, Refund, RefundId, StoredCheckout, Subscription, SubscriptionId,
    WebhookError,
};

/// A payment provider. Calls take seconds: they run in workers and sagas, not while somebody waits for a page.
#[async_trait]
pub trait Payments: Send + Sync + 'static {
    /// Makes a customer.
    async fn create_customer(&self, key: &Key, customer: &NewCustomer<'_>) -> Result<Customer, PaymentsError>;

    /// The customer of an attempt, if there is one: read from the provider's list, never from memory.
    async fn find_customer(&self, attempt: AttemptId, email: &Email) -> Result<Option<Customer>, PaymentsError>;

    /// Opens a page on which a card is stored for a customer.
    async fn start_checkout(&self, key: &Key, checkout: &NewCheckout<'_>) -> Result<Checkout, PaymentsError>;

    /// What became of that page.
    async fn read_checkout(&self, id: &CheckoutId) -> Result<StoredCheckout, PaymentsError>;

    /// Charges the first month. [`PaymentsError::Declined`] leaves no subscription behind.
    async fn subscribe(&self, key: &Key, wanted: &NewSubscription<'_>) -> Result<Subscription, PaymentsError>;

    /// The subscription of an attempt that is not over, if there is one: read from the provider's list.
    async fn find_subscription(
        &self,
        customer: &CustomerId,
        attempt: AttemptId,
    ) -> Result<Option<Subscription>, PaymentsError>;

    /// A subscription as it is now.
    async fn get_subscription(&self, id: &SubscriptionId) -> Result<Subscription, PaymentsError>;

    /// A bill as it is now.
    async fn get_invoice(&self, id: &InvoiceId) -> Result<Invoice, PaymentsError>;

    /// Every bill of a subscription, oldest first.
    async fn list_invoices(&self, subscription: &SubscriptionId) -> Result<Vec<Invoice>, PaymentsError>;

    /// What was given back of a payment.
    async fn list_refunds(&self, payment: &PaymentId) -> Result<Vec<Refund>, PaymentsError>;

    /// Money given back, as it stands now.
    async fn get_refund(&self, id: &RefundId) -> Result<Refund, PaymentsError>;

    /// Ends a subscription now, or finds it ended.
    async fn cancel(&self, id: &SubscriptionId) -> Result<Subscription, PaymentsError>;

    /// Gives back what is left of a payment, or finds it given back.
    async fn refund(&self, key: &Key, refund: &NewRefund<'_>) -> Result<Refund, PaymentsError>;

    /// Whether a webhook is the provider's own, fresh, and of our mode.
    fn verify_webhook(&self, body: &[u8], signature: &str, now: OffsetDateTime) -> Result<Event, WebhookError>;
}

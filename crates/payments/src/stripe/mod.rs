//! Stripe, through async-stripe: the only place that names its types.

mod config;
mod convert;
mod failure;
mod lists;

use std::collections::HashMap;

use async_trait::async_trait;
use micro_domain::{AttemptId, Email, Plan};
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_billing::{
    invoice::{ListInvoice, RetrieveInvoice},
    subscription::{
        CancelSubscription, CreateSubscription, CreateSubscriptionItems, CreateSubscriptionPaymentBehavior,
        ListSubscription, ListSubscriptionStatus, RetrieveSubscription,
    },
};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAllowedPaymentMethodTypes, RetrieveCheckoutSession,
};
use stripe_core::{
    customer::{CreateCustomer, ListCustomer, UpdateCustomer, UpdateCustomerInvoiceSettings},
    refund::{CreateRefund, CreateRefundReason, ListRefund, RetrieveRefund},
};
use stripe_payment::payment_method::AttachPaymentMethod;
use stripe_shared::CheckoutSessionMode;
use time::OffsetDateTime;

pub use self::config::{InvalidConfig, StripeConfig};
use self::{
    convert::{ATTEMPT, checkout, customer, invoice, refund, subscription},
    failure::{Classified as _, definite},
    lists::all_pages,
};
use crate::{
    Checkout, CheckoutId, Customer, CustomerId, Event, Invoice, InvoiceId, Key, NewCheckout, NewCustomer, NewRefund,
    NewSubscription, PaymentId, Payments, PaymentsError, Refund, RefundId, StoredCheckout, Subscription,
    SubscriptionId, WebhookError, WebhookVerifier,
};

/// Payments by Stripe.
#[derive(Clone)]
pub struct StripePayments {
    client: Client,
    price: String,
    webhooks: WebhookVerifier,
}

impl StripePayments {
    /// A client for this account; nothing is sent yet.
    pub fn new(config: &StripeConfig) -> Result<Self, InvalidConfig> {
        let livemode = config.check()?;
        let client = ClientBuilder::new(config.secret())
            .url(config.base()?)
            .timeout(config.timeout)
            .request_strategy(RequestStrategy::Once)
            .app_info("micro", Some(env!("CARGO_PKG_VERSION").into()), None)
            .build()
            .map_err(|_| InvalidConfig::SecretKey)?;
        let webhooks = WebhookVerifier::new(config.webhook_secret.clone(), livemode);
        Ok(Self {
            client,
            price: config.price.clone(),
            webhooks,
        })
    }
}

#[async_trait]
impl Payments for StripePayments {
    async fn create_customer(&self, key: &Key, wanted: &NewCustomer<'_>) -> Result<Customer, PaymentsError> {
        let metadata = HashMap::from([(ATTEMPT.to_owned(), wanted.attempt.to_string())]);
        let request = CreateCustomer::new().email(wanted.email.as_str()).metadata(metadata);
        let made = request
            .customize()
            .request_strategy(once(key)?)
            .send(&self.client)
            .await
            .classified()?;
        Ok(customer(&made))
    }

    async fn find_customer(&self, attempt: AttemptId, email: &Email) -> Result<Option<Customer>, PaymentsError> {
        let list = ListCustomer::new().email(email.as_str()).limit(100);
        let page = |after: Option<String>| {
            let list = after.map_or_else(|| list.clone(), |id| list.clone().starting_after(id));
            async move { list.send(&self.client).await.classified() }
        };
        let all = all_pages(page, |c: &stripe_shared::Customer| c.id.to_string()).await?;
        Ok(all.iter().map(customer).find(|c| c.attempt == Some(attempt)))
    }

    async fn start_checkout(&self, key: &Key, wanted: &NewCheckout<'_>) -> Result<Checkout, PaymentsError> {
        let metadata = HashMap::from([(ATTEMPT.to_owned(), wanted.attempt.to_string())]);
        let request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Setup)
            .currency(stripe_types::Currency::USD)
            .allowed_payment_method_types(vec![CreateCheckoutSessionAllowedPaymentMethodTypes::Card])
            .customer(wanted.customer.as_str())
            .client_reference_id(wanted.attempt.to_string())
            .metadata(metadata)
            .success_url(wanted.success_url)
            .cancel_url(wanted.cancel_url);
        let made = request
            .customize()
            .request_strategy(once(key)?)
            .send(&self.client)
            .await
            .classified()?;
        // Replayed under its key, a page answers as it was when it was made.
        let url = made.url.ok_or_else(|| definite("checkout_without_url"))?;
        Ok(Checkout {
            id: CheckoutId::new(made.id.as_str()),
            url,
        })
    }

    async fn read_checkout(&self, id: &CheckoutId) -> Result<StoredCheckout, PaymentsError> {
        let request = RetrieveCheckoutSession::new(in_path(id.as_str())?).expand(vec!["setup_intent".to_owned()]);
        checkout(request.send(&self.client).await.classified()?)
    }

    async fn subscribe(&self, key: &Key, wanted: &NewSubscription<'_>) -> Result<Subscription, PaymentsError> {
        // Both may be repeated as they are: attaching an attached card and setting a default twice change nothing.
        let attach = AttachPaymentMethod::new(in_path(wanted.card.as_str())?).customer(wanted.customer.as_str());
        attach.send(&self.client).await.classified()?;
        let mut settings = UpdateCustomerInvoiceSettings::new();
        settings.default_payment_method = Some(wanted.card.as_str().to_owned());
        let default = UpdateCustomer::new(in_path(wanted.customer.as_str())?).invoice_settings(settings);
        default.send(&self.client).await.classified()?;

        let mut item = CreateSubscriptionItems::new();
        item.price = Some(self.price_of(wanted.plan).to_owned());
        item.quantity = Some(1);
        let metadata = HashMap::from([
            (ATTEMPT.to_owned(), wanted.attempt.to_string()),
            ("namespace".to_owned(), wanted.namespace.to_owned()),
            ("plan".to_owned(), wanted.plan.name().to_owned()),
        ]);
        let request = CreateSubscription::new()
            .customer(wanted.customer.as_str())
            .items(vec![item])
            .default_payment_method(wanted.card.as_str())
            .payment_behavior(CreateSubscriptionPaymentBehavior::ErrorIfIncomplete)
            .metadata(metadata);
        let made = request
            .customize()
            .request_strategy(once(key)?)
            .send(&self.client)
            .await
            .classified()?;
        subscription(&made)
    }

    async fn find_subscription(
        &self,
        customer: &CustomerId,
        attempt: AttemptId,
    ) -> Result<Option<Subscription>, PaymentsError> {
        let list = ListSubscription::new()
            .customer(customer.as_str())
            .status(ListSubscriptionStatus::All)
            .limit(100);
        let page = |after: Option<String>| {
            let list = after.map_or_else(|| list.clone(), |id| list.clone().starting_after(id));
            async move { list.send(&self.client).await.classified() }
        };
        let all = all_pages(page, |s: &stripe_shared::Subscription| s.id.to_string()).await?;
        let mine = all.iter().map(subscription).collect::<Result<Vec<_>, _>>()?;
        Ok(mine
            .into_iter()
            .find(|s| s.attempt == Some(attempt) && !s.status.is_over()))
    }

    async fn get_subscription(&self, id: &SubscriptionId) -> Result<Subscription, PaymentsError> {
        subscription(
            &RetrieveSubscription::new(in_path(id.as_str())?)
                .send(&self.client)
                .await
                .classified()?,
        )
    }

    async fn get_invoice(&self, id: &InvoiceId) -> Result<Invoice, PaymentsError> {
        let request = RetrieveInvoice::new(in_path(id.as_str())?).expand(vec!["payments".to_owned()]);
        invoice(&request.send(&self.client).await.classified()?)
    }

    async fn list_invoices(&self, subscription: &SubscriptionId) -> Result<Vec<Invoice>, PaymentsError> {
        let expand = vec!["data.payments".to_owned()];
        let list = ListInvoice::new()
            .subscription(subscription.as_str())
            .limit(100)
            .expand(expand);
        let page = |after: Option<String>| {
            let list = after.map_or_else(|| list.clone(), |id| list.clone().starting_after(id));
            async move { list.send(&self.client).await.classified() }
        };
        let id = |i: &stripe_shared::Invoice| i.id.as_ref().map(ToString::to_string).unwrap_or_default();
        let all = all_pages(page, id).await?;
        all.iter().rev().map(invoice).collect()
    }

    async fn list_refunds(&self, payment: &PaymentId) -> Result<Vec<Refund>, PaymentsError> {
        let list = ListRefund::new().payment_intent(payment.as_str()).limit(100);
        let page = |after: Option<String>| {
            let list = after.map_or_else(|| list.clone(), |id| list.clone().starting_after(id));
            async move { list.send(&self.client).await.classified() }
        };
        let all = all_pages(page, |r: &stripe_shared::Refund| r.id.to_string()).await?;
        all.iter().map(refund).collect()
    }

    async fn get_refund(&self, id: &RefundId) -> Result<Refund, PaymentsError> {
        refund(
            &RetrieveRefund::new(in_path(id.as_str())?)
                .send(&self.client)
                .await
                .classified()?,
        )
    }

    async fn cancel(&self, id: &SubscriptionId) -> Result<Subscription, PaymentsError> {
        match CancelSubscription::new(in_path(id.as_str())?)
            .send(&self.client)
            .await
            .classified()
        {
            Ok(ended) => subscription(&ended),
            // Stripe calls a subscription that is over missing: it can still be read.
            Err(refused) if refused.is_missing() => self.get_subscription(id).await,
            Err(other) => Err(other),
        }
    }

    async fn refund(&self, key: &Key, wanted: &NewRefund<'_>) -> Result<Refund, PaymentsError> {
        let metadata = HashMap::from([(ATTEMPT.to_owned(), wanted.attempt.to_string())]);
        let request = CreateRefund::new()
            .payment_intent(wanted.payment.as_str())
            .reason(CreateRefundReason::RequestedByCustomer)
            .metadata(metadata);
        match request
            .customize()
            .request_strategy(once(key)?)
            .send(&self.client)
            .await
            .classified()
        {
            Ok(made) => refund(&made),
            Err(PaymentsError::Refused { code, status }) if code == "charge_already_refunded" => {
                let given_back = self.list_refunds(wanted.payment).await?;
                given_back
                    .into_iter()
                    .next()
                    .ok_or(PaymentsError::Refused { status, code })
            }
            Err(other) => Err(other),
        }
    }

    fn verify_webhook(&self, body: &[u8], signature: &str, now: OffsetDateTime) -> Result<Event, WebhookError> {
        self.webhooks.verify(body, signature, now)
    }
}

impl StripePayments {
    fn price_of(&self, plan: Plan) -> &str {
        match plan {
            Plan::Developer => &self.price,
        }
    }
}

/// Sent once, under its key: whether to send it again is decided by those who stored the key.
fn once(key: &Key) -> Result<RequestStrategy, PaymentsError> {
    let key = IdempotencyKey::new(key.as_str()).map_err(|_| definite("idempotency_key"))?;
    Ok(RequestStrategy::Idempotent(key))
}

/// An id that may stand in a path. The client writes it there as it is, so one that came from a browser could
/// otherwise lead elsewhere (`../customers`), with our key. Stripe has no object of such an id.
fn in_path(id: &str) -> Result<&str, PaymentsError> {
    let plain = (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain {
        Ok(id)
    } else {
        Err(PaymentsError::Refused {
            status: 404,
            code: "resource_missing".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        assert!(in_path("cs_test_a1B2").is_ok());
        for bad in [
            "",
            "..",
            "../customers",
            "a/b",
            "a?expand[]=x",
            "a#b",
            "a%2fb",
            "a b",
            &"a".repeat(256),
        ] {
            assert!(in_path(bad).is_err_and(|e| e.is_missing()), "{bad}");
        }
    }
}

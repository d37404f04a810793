//! From Stripe's objects to our words.

use std::collections::HashMap;

use micro_domain::{AttemptId, Money};
use stripe_shared::CheckoutSessionStatus;
use time::OffsetDateTime;

use super::failure::definite;
use crate::{
    CardId, CheckoutId, CheckoutState, Customer, CustomerId, Invoice, InvoiceId, PaymentId, PaymentsError, Refund,
    RefundId, StoredCheckout, Subscription, SubscriptionId, SubscriptionStatus,
};

/// The metadata by which customers and subscriptions are found again.
pub(super) const ATTEMPT: &str = "attempt";

fn attempt(metadata: &HashMap<String, String>) -> Option<AttemptId> {
    metadata.get(ATTEMPT)?.parse().ok()
}

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Our one currency: the price we sell at is in it.
fn money(cents: i64) -> Money {
    Money::usd(cents)
}

pub(super) fn customer(from: &stripe_shared::Customer) -> Customer {
    let attempt = from.metadata.as_ref().and_then(attempt);
    Customer {
        id: CustomerId::new(from.id.as_str()),
        attempt,
    }
}

pub(super) fn checkout(from: stripe_shared::CheckoutSession) -> Result<StoredCheckout, PaymentsError> {
    let card = || {
        let intent = from.setup_intent.as_ref()?.as_object()?;
        Some(CardId::new(intent.payment_method.as_ref()?.id().as_str()))
    };
    let state = match from.status {
        Some(CheckoutSessionStatus::Complete) => {
            CheckoutState::Complete(card().ok_or_else(|| definite("checkout_without_card"))?)
        }
        Some(CheckoutSessionStatus::Expired) => CheckoutState::Expired,
        _ => CheckoutState::Open,
    };
    let attempt = from.client_reference_id.as_ref().and_then(|text| text.parse().ok());
    Ok(StoredCheckout {
        id: CheckoutId::new(from.id.as_str()),
        attempt,
        state,
        url: from.url,
    })
}

pub(super) fn subscription(from: &stripe_shared::Subscription) -> Result<Subscription, PaymentsError> {
    let item = from
        .items
        .data
        .first()
        .ok_or_else(|| definite("subscription_without_item"))?;
    let quantity = i64::try_from(item.quantity.unwrap_or(1)).unwrap_or(i64::MAX);
    let unit = item.price.unit_amount.unwrap_or_default();
    Ok(Subscription {
        id: SubscriptionId::new(from.id.as_str()),
        customer: CustomerId::new(from.customer.id().as_str()),
        attempt: attempt(&from.metadata),
        status: SubscriptionStatus::parse(from.status.as_str()),
        period_ends_at: moment(item.current_period_end),
        price: money(unit.saturating_mul(quantity)),
        latest_invoice: from
            .latest_invoice
            .as_ref()
            .and_then(|i| Some(InvoiceId::new(i.id().as_ref()?.as_str()))),
    })
}

pub(super) fn invoice(from: &stripe_shared::Invoice) -> Result<Invoice, PaymentsError> {
    let id = from.id.as_ref().ok_or_else(|| definite("invoice_without_id"))?;
    let parent = from.parent.as_ref().and_then(|p| p.subscription_details.as_ref());
    let paid_by = from
        .payments
        .iter()
        .flat_map(|list| &list.data)
        .find(|p| p.status == "paid");
    let payment = paid_by.and_then(|p| p.payment.payment_intent.as_ref());
    Ok(Invoice {
        id: InvoiceId::new(id.as_str()),
        number: from.number.clone(),
        subscription: parent.map(|p| SubscriptionId::new(p.subscription.id().as_str())),
        status: from.status.as_ref().map_or("unknown", |s| s.as_str()).to_owned(),
        total: money(from.total),
        paid: money(from.amount_paid),
        payment: payment.map(|p| PaymentId::new(p.id().as_str())),
        created_at: moment(from.created),
    })
}

pub(super) fn refund(from: &stripe_shared::Refund) -> Result<Refund, PaymentsError> {
    let payment = from
        .payment_intent
        .as_ref()
        .ok_or_else(|| definite("refund_without_payment"))?;
    Ok(Refund {
        id: RefundId::new(from.id.as_str()),
        amount: money(from.amount),
        payment: PaymentId::new(payment.id().as_str()),
        created_at: moment(from.created),
        stands: !matches!(from.status.as_deref(), Some("failed" | "canceled")),
    })
}

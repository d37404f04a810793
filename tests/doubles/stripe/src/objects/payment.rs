//! Payment intents and charges: made when an invoice is paid, read by those who asked for the money.

use serde_json::{Value, json};

use super::{Op, Route, route};
use crate::{
    cards::{Behaviour, Decline},
    error::Refusal,
    state::{Hidden, State, letters},
};

pub const ROUTES: &[Route] = &[
    route(
        "GET",
        "/v1/payment_intents",
        "payment_intents.list",
        &["customer"],
        |op| by_customer(op, "payment_intent", "/v1/payment_intents"),
    ),
    route(
        "GET",
        "/v1/payment_intents/{id}",
        "payment_intents.retrieve",
        &[],
        |op| Ok(op.named("payment_intent")?.body.clone()),
    ),
    route(
        "GET",
        "/v1/charges",
        "charges.list",
        &["customer", "payment_intent"],
        |op| by_customer(op, "charge", "/v1/charges"),
    ),
    route("GET", "/v1/charges/{id}", "charges.retrieve", &[], |op| {
        Ok(op.named("charge")?.body.clone())
    }),
];

fn by_customer(op: &mut Op<'_>, kind: &str, url: &str) -> super::Answer {
    let (customer, intent) = (op.params.text("customer"), op.params.text("payment_intent"));
    op.page(kind, url, |o| {
        customer.is_none_or(|c| o["customer"] == c) && intent.is_none_or(|i| o["payment_intent"] == i)
    })
}

/// What is to be paid.
pub struct Due<'a> {
    pub cents: i64,
    pub customer: &'a str,
    pub method: &'a str,
    pub subscription: Option<&'a str>,
    pub description: &'a str,
}

/// Charges a stored card. The intent's id, or why not.
pub fn pay(state: &mut State, at: i64, due: &Due<'_>) -> Result<String, Refusal> {
    let method = &state.objects[due.method].hidden;
    let refused = match method.card.as_ref().map(|c| c.behaviour) {
        Some(Behaviour::Good) => None,
        Some(Behaviour::AuthenticateOnce) if method.set_up => None,
        Some(Behaviour::AuthenticateOnce | Behaviour::AuthenticateAlways) => Some(needs_holder()),
        Some(Behaviour::RefusedAtOnce(why)) => Some(declined(why)),
        Some(Behaviour::RefusedLater) | None => Some(declined(Decline::Generic)),
    };
    let intent = add_intent(state, at, due);
    let charge = add_charge(state, at, due, &intent, refused.as_ref());
    let Some(refused) = refused else {
        let body = state.set(
            &intent,
            json!({ "status": "succeeded", "amount_received": due.cents, "latest_charge": charge["id"] }),
        );
        state.emit(at, "payment_intent.succeeded", &body, None);
        state.emit(at, "charge.succeeded", &charge, None);
        return Ok(intent);
    };
    let body = state.set(&intent, json!({ "status": "requires_payment_method", "last_payment_error": refused.error, "latest_charge": charge["id"] }));
    state.emit(at, "charge.failed", &charge, None);
    state.emit(at, "payment_intent.payment_failed", &body, None);
    Err(refused.with("charge", charge["id"].clone()))
}

fn declined(why: Decline) -> Refusal {
    let (code, decline_code, message) = why.words();
    Refusal::declined(code, decline_code, message)
}

fn needs_holder() -> Refusal {
    Refusal::declined(
        "authentication_required",
        Some("authentication_required"),
        "Your card was declined. This transaction requires authentication.",
    )
}

fn add_intent(state: &mut State, at: i64, due: &Due<'_>) -> String {
    let id = state.id("pi");
    let body = json!({
        "id": id, "object": "payment_intent", "amount": due.cents, "amount_capturable": 0, "amount_details": { "tip": {} },
        "amount_received": 0, "application": null, "application_fee_amount": null, "automatic_payment_methods": null, "canceled_at": null,
        "cancellation_reason": null, "capture_method": "automatic", "client_secret": format!("{id}_secret_{}", letters::<25>()),
        "confirmation_method": "automatic", "created": at, "currency": "usd", "customer": due.customer, "description": due.description,
        "last_payment_error": null, "latest_charge": null, "livemode": false, "metadata": {}, "next_action": null, "on_behalf_of": null,
        "payment_method": due.method, "payment_method_options": null, "payment_method_types": ["card"], "processing": null,
        "receipt_email": null, "review": null, "setup_future_usage": "off_session", "shipping": null, "source": null,
        "statement_descriptor": null, "status": "processing", "transfer_data": null, "transfer_group": null,
    });
    let body = state.add(body);
    state.emit(at, "payment_intent.created", &body, None);
    id
}

fn add_charge(state: &mut State, at: i64, due: &Due<'_>, intent: &str, refused: Option<&Refusal>) -> Value {
    let paid = refused.is_none();
    let told = |field: &str| refused.map_or(Value::Null, |r| r.error.get(field).cloned().unwrap_or_default());
    let body = json!({
        "id": state.id("ch"), "object": "charge", "amount": due.cents, "amount_captured": if paid { due.cents } else { 0 },
        "amount_refunded": 0, "application": null, "balance_transaction": null,
        "billing_details": state.objects[due.method].body["billing_details"], "captured": paid, "created": at, "currency": "usd",
        "customer": due.customer, "description": due.description, "disputed": false, "failure_code": told("code"),
        "failure_message": told("message"), "fraud_details": {}, "livemode": false, "metadata": {}, "on_behalf_of": null, "outcome": null,
        "paid": paid, "payment_intent": intent, "payment_method": due.method, "receipt_email": null, "receipt_number": null,
        "receipt_url": null, "refunded": false, "review": null, "shipping": null, "source": null, "status": if paid { "succeeded" } else { "failed" },
        "transfer_data": null, "transfer_group": null,
    });
    state.add_with(
        body,
        Hidden {
            subscription: due.subscription.map(str::to_owned),
            ..Hidden::default()
        },
    )
}

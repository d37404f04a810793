//! Payment methods: cards, by number, token or test name. The number itself is never kept.

use serde_json::{Value, json};

use super::{Answer, Op, Route, route};
use crate::{
    cards::{self, Behaviour, Card},
    error::Refusal,
    state::{Hidden, State, letters},
};

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/payment_methods",
        "payment_methods.create",
        &[
            "type",
            "card[number]",
            "card[exp_month]",
            "card[exp_year]",
            "card[cvc]",
            "card[token]",
            "billing_details[name]",
            "billing_details[email]",
            "metadata[*]",
        ],
        create,
    ),
    route(
        "GET",
        "/v1/payment_methods",
        "payment_methods.list",
        &["customer", "type"],
        list,
    ),
    route(
        "GET",
        "/v1/payment_methods/{id}",
        "payment_methods.retrieve",
        &[],
        retrieve,
    ),
    route(
        "POST",
        "/v1/payment_methods/{id}/attach",
        "payment_methods.attach",
        &["customer"],
        attach_call,
    ),
    route(
        "POST",
        "/v1/payment_methods/{id}/detach",
        "payment_methods.detach",
        &[],
        detach,
    ),
];

fn create(op: &mut Op<'_>) -> Answer {
    op.params.required("type")?;
    op.params.word(
        "type",
        "card",
        &["card"],
        &["us_bank_account", "sepa_debit", "paypal", "link"],
    )?;
    let card = match (op.params.text("card[token]"), op.params.text("card[number]")) {
        (Some(token), _) => cards::by_name(token).ok_or_else(|| Refusal::no_such("token", token, "card[token]"))?,
        (None, Some(number)) => cards::by_number(number).ok_or_else(|| {
            Refusal::declined("incorrect_number", None, "Your card number is incorrect.").with("param", "number")
        })?,
        (None, None) => return Err(Refusal::missing("card")),
    };
    let month = op.params.integer("card[exp_month]")?.unwrap_or(12);
    let year = op.params.integer("card[exp_year]")?.unwrap_or(2034);
    let mut body = make(op.state, op.now, card, (month, year));
    body["metadata"] = op.metadata().into();
    body["billing_details"]["name"] = op.optional("billing_details[name]");
    body["billing_details"]["email"] = op.optional("billing_details[email]");
    let id = body["id"].as_str().unwrap_or_default().to_owned();
    Ok(op.state.set(&id, body))
}

/// A new payment method for a card.
pub fn make(state: &mut State, at: i64, card: Card, (exp_month, exp_year): (i64, i64)) -> Value {
    let body = json!({
        "id": state.id("pm"), "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": {
            "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
            "email": null, "name": null, "phone": null, "tax_id": null,
        },
        "card": {
            "brand": card.brand, "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US", "display_brand": card.brand, "exp_month": exp_month, "exp_year": exp_year, "fingerprint": letters::<16>(),
            "funding": card.funding, "generated_from": null, "last4": card.last4,
            "networks": { "available": [card.brand], "preferred": null }, "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true }, "wallet": null,
        },
        "created": at, "customer": null, "customer_account": null, "livemode": false, "metadata": {}, "type": "card",
    });
    state.add_with(
        body,
        Hidden {
            card: Some(card),
            ..Hidden::default()
        },
    )
}

/// The stored id behind `pm_…` or a test name: each use of a test name makes a payment method of its own.
pub fn resolve(state: &mut State, at: i64, id: &str) -> Result<String, Refusal> {
    if state.find("payment_method", id).is_some() {
        return Ok(id.to_owned());
    }
    match cards::by_name(id).filter(|_| id.starts_with("pm_card_")) {
        Some(card) => Ok(make(state, at, card, (12, 2034))["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned()),
        None => Err(Refusal::no_such("PaymentMethod", id, "payment_method")),
    }
}

/// The refusal that a card gives as soon as it is stored, if it does.
pub fn refusal_at_once(state: &State, id: &str) -> Option<Refusal> {
    match state.objects.get(id)?.hidden.card.as_ref()?.behaviour {
        Behaviour::RefusedAtOnce(why) => {
            let (code, decline_code, message) = why.words();
            Some(Refusal::declined(code, decline_code, message))
        }
        _ => None,
    }
}

/// Attaches a payment method, or a new one for a test name, and gives its id.
pub fn attach(state: &mut State, at: i64, id: &str, customer: &str) -> Result<String, Refusal> {
    state.get("customer", customer, "customer")?;
    let id = resolve(state, at, id)?;
    let body = &state.objects[&id].body;
    if body["customer"] == customer {
        return Ok(id);
    }
    if !body["customer"].is_null() {
        let message = "The payment method you provided has already been attached to a customer.";
        return Err(Refusal::state("payment_method_unexpected_state", message));
    }
    if let Some(refused) = refusal_at_once(state, &id) {
        return Err(refused);
    }
    let body = state.set(&id, json!({ "customer": customer }));
    state.emit(at, "payment_method.attached", &body, None);
    Ok(id)
}

/// The id of a payment method that belongs to the customer.
pub fn of_customer(state: &State, id: &str, customer: &str) -> Result<String, Refusal> {
    match state.find("payment_method", id) {
        Some(found) if found.body["customer"] == customer => Ok(id.to_owned()),
        _ => {
            let message = format!(
                "The customer does not have a payment method with the ID {id}. The payment method must be attached to the customer."
            );
            Err(Refusal::invalid("resource_missing", "default_payment_method", message))
        }
    }
}

fn attach_call(op: &mut Op<'_>) -> Answer {
    let customer = op.params.required("customer")?.to_owned();
    let at = op
        .state
        .time_of(&op.state.get("customer", &customer, "customer")?.body, op.now);
    let id = attach(op.state, at, op.path[0], &customer)?;
    Ok(op.state.objects[&id].body.clone())
}

fn detach(op: &mut Op<'_>) -> Answer {
    let body = op.named("payment_method")?.body.clone();
    if body["customer"].is_null() {
        return Err(Refusal::state(
            "payment_method_unexpected_state",
            "The payment method is not attached to a customer.",
        ));
    }
    let customer = body["customer"].as_str().unwrap_or_default().to_owned();
    if op.state.objects[&customer].body["invoice_settings"]["default_payment_method"] == body["id"] {
        let mut settings = op.state.objects[&customer].body["invoice_settings"].clone();
        settings["default_payment_method"] = Value::Null;
        op.state.set(&customer, json!({ "invoice_settings": settings }));
    }
    Ok(op.state.update(
        op.now,
        op.path[0],
        "payment_method.detached",
        json!({ "customer": null }),
    ))
}

fn retrieve(op: &mut Op<'_>) -> Answer {
    Ok(op.named("payment_method")?.body.clone())
}

fn list(op: &mut Op<'_>) -> Answer {
    let (customer, kind) = (op.params.text("customer"), op.params.text("type"));
    if let Some(customer) = customer {
        op.state.get("customer", customer, "customer")?;
    }
    op.page("payment_method", "/v1/payment_methods", |m| {
        customer.is_some_and(|c| m["customer"] == c) && kind.is_none_or(|k| m["type"] == k)
    })
}

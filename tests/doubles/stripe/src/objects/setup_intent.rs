//! Setup intents: a card stored for later, with 3-D Secure where the card asks for it.

use serde_json::{Value, json};

use super::{Answer, Op, Route, payment_method, route};
use crate::{
    cards::Behaviour,
    error::Refusal,
    state::{State, letters},
};

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/setup_intents",
        "setup_intents.create",
        &[
            "customer",
            "payment_method",
            "confirm",
            "usage",
            "return_url",
            "description",
            "payment_method_types[]",
            "allowed_payment_method_types[]",
            "automatic_payment_methods[enabled]",
            "automatic_payment_methods[allow_redirects]",
            "metadata[*]",
        ],
        create,
    ),
    route("GET", "/v1/setup_intents", "setup_intents.list", &["customer"], list),
    route(
        "GET",
        "/v1/setup_intents/{id}",
        "setup_intents.retrieve",
        &["client_secret"],
        retrieve,
    ),
    route(
        "POST",
        "/v1/setup_intents/{id}/confirm",
        "setup_intents.confirm",
        &["payment_method", "return_url", "client_secret"],
        confirm_call,
    ),
    route(
        "POST",
        "/v1/setup_intents/{id}/cancel",
        "setup_intents.cancel",
        &["cancellation_reason"],
        cancel,
    ),
];

fn create(op: &mut Op<'_>) -> Answer {
    op.params
        .word("usage", "off_session", &["off_session", "on_session"], &[])?;
    if op
        .params
        .all("payment_method_types[]")
        .chain(op.params.all("allowed_payment_method_types[]"))
        .any(|t| t != "card")
    {
        return Err(Refusal::not_modelled("payment methods other than cards"));
    }
    if let Some(customer) = op.params.text("customer") {
        op.state.get("customer", customer, "customer")?;
    }
    let body = make(op.state, op.now, op.params.text("customer"), op.metadata().into());
    let id = body["id"].as_str().unwrap_or_default().to_owned();
    op.state.set(
        &id,
        json!({ "description": op.optional("description"), "usage": op.params.text("usage").unwrap_or("off_session") }),
    );
    if op.params.boolean("confirm")? == Some(true) {
        let method = op.params.required("payment_method")?.to_owned();
        return confirm(op.state, op.now, &id, &method, op.params.text("return_url"), op.base);
    }
    Ok(op.state.objects[&id].body.clone())
}

/// A new one, waiting for a card.
pub fn make(state: &mut State, at: i64, customer: Option<&str>, metadata: Value) -> Value {
    let id = state.id("seti");
    let body = state.add(json!({
        "id": id, "object": "setup_intent", "application": null, "automatic_payment_methods": null, "cancellation_reason": null,
        "client_secret": format!("{id}_secret_{}", letters::<25>()), "created": at, "customer": customer, "customer_account": null,
        "description": null, "flow_directions": null, "last_setup_error": null, "latest_attempt": null, "livemode": false,
        "mandate": null, "metadata": metadata, "next_action": null, "on_behalf_of": null, "payment_method": null,
        "payment_method_options": null, "payment_method_types": ["card"], "single_use_mandate": null,
        "status": "requires_payment_method", "usage": "off_session",
    }));
    state.emit(at, "setup_intent.created", &body, None);
    body
}

/// Tries a card: refused (402), 3-D Secure asked for, or stored.
pub fn confirm(state: &mut State, at: i64, id: &str, method: &str, return_url: Option<&str>, base: &str) -> Answer {
    let status = state.objects[id].body["status"].clone();
    if status == "succeeded" || status == "canceled" {
        let message = format!("You cannot confirm this SetupIntent because it has a status of {status}.");
        return Err(Refusal::state("setup_intent_unexpected_state", message));
    }
    let method = payment_method::resolve(state, at, method)?;
    if let Some(refused) = payment_method::refusal_at_once(state, &method) {
        return Err(fail(state, at, id, refused));
    }
    let behaviour = state.objects[&method].hidden.card.as_ref().map(|c| c.behaviour);
    if matches!(
        behaviour,
        Some(Behaviour::AuthenticateOnce | Behaviour::AuthenticateAlways)
    ) {
        let url = format!("{base}/c/3ds/{id}");
        let body = state.set(id, json!({
            "status": "requires_action", "payment_method": method, "last_setup_error": null,
            "next_action": { "type": "redirect_to_url", "redirect_to_url": { "url": url, "return_url": return_url } },
        }));
        state.emit(at, "setup_intent.requires_action", &body, None);
        return Ok(body);
    }
    state.set(id, json!({ "payment_method": method }));
    succeed(state, at, id)
}

/// The card is stored, and attached if there is a customer.
pub fn succeed(state: &mut State, at: i64, id: &str) -> Answer {
    let body = state.objects[id].body.clone();
    let method = body["payment_method"].as_str().unwrap_or_default().to_owned();
    if let Some(customer) = body["customer"].as_str() {
        payment_method::attach(state, at, &method, customer)?;
    }
    state.hidden(&method).set_up = true;
    let body = state.set(
        id,
        json!({ "status": "succeeded", "next_action": null, "last_setup_error": null }),
    );
    state.emit(at, "setup_intent.succeeded", &body, None);
    Ok(body)
}

/// The card is refused: another may be tried.
pub fn fail(state: &mut State, at: i64, id: &str, refused: Refusal) -> Refusal {
    let body = state.set(id, json!({
        "status": "requires_payment_method", "payment_method": null, "next_action": null, "last_setup_error": refused.error,
    }));
    state.emit(at, "setup_intent.setup_failed", &body, None);
    refused.with("setup_intent", body)
}

/// The holder failed, or refused, to prove to be the holder.
pub fn unauthenticated() -> Refusal {
    let message =
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
    Refusal {
        status: 402,
        ..Refusal::state("setup_intent_authentication_failure", message)
    }
}

fn confirm_call(op: &mut Op<'_>) -> Answer {
    check_client_secret(op)?;
    let stored = op.named("setup_intent")?.body["payment_method"]
        .as_str()
        .map(str::to_owned);
    let method = op
        .params
        .text("payment_method")
        .map(str::to_owned)
        .or(stored)
        .ok_or_else(|| Refusal::missing("payment_method"))?;
    confirm(
        op.state,
        op.now,
        op.path[0],
        &method,
        op.params.text("return_url"),
        op.base,
    )
}

fn retrieve(op: &mut Op<'_>) -> Answer {
    check_client_secret(op)?;
    Ok(op.named("setup_intent")?.body.clone())
}

fn check_client_secret(op: &Op<'_>) -> Result<(), Refusal> {
    match op.params.text("client_secret") {
        Some(secret) if op.named("setup_intent")?.body["client_secret"] != secret => Err(Refusal::invalid(
            "resource_missing",
            "client_secret",
            "The client_secret provided does not match this SetupIntent.",
        )),
        _ => Ok(()),
    }
}

fn cancel(op: &mut Op<'_>) -> Answer {
    let status = op.named("setup_intent")?.body["status"].clone();
    if status == "succeeded" || status == "canceled" {
        return Err(Refusal::state(
            "setup_intent_unexpected_state",
            format!("You cannot cancel this SetupIntent because it has a status of {status}."),
        ));
    }
    Ok(op.state.update(
        op.now,
        op.path[0],
        "setup_intent.canceled",
        json!({
            "status": "canceled", "cancellation_reason": op.optional("cancellation_reason"), "next_action": null,
        }),
    ))
}

fn list(op: &mut Op<'_>) -> Answer {
    let customer = op.params.text("customer");
    op.page("setup_intent", "/v1/setup_intents", |s| {
        customer.is_none_or(|c| s["customer"] == c)
    })
}

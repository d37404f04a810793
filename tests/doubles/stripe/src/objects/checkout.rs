//! Checkout sessions: a page of ours on which a card is stored (`setup`) or a subscription is bought.

use serde_json::{Value, json};

use super::{Answer, Op, Route, customer, payment_method, route, setup_intent, subscription};
use crate::{
    error::Refusal,
    state::{State, letters},
};

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/checkout/sessions",
        "checkout.sessions.create",
        &[
            "mode",
            "customer",
            "customer_email",
            "customer_creation",
            "client_reference_id",
            "success_url",
            "cancel_url",
            "currency",
            "payment_method_types[]",
            "allowed_payment_method_types[]",
            "expires_at",
            "line_items[][price]",
            "line_items[][quantity]",
            "setup_intent_data[metadata][*]",
            "setup_intent_data[description]",
            "subscription_data[metadata][*]",
            "metadata[*]",
            "locale",
        ],
        create,
    ),
    route(
        "GET",
        "/v1/checkout/sessions",
        "checkout.sessions.list",
        &["customer", "status"],
        list,
    ),
    route(
        "GET",
        "/v1/checkout/sessions/{id}",
        "checkout.sessions.retrieve",
        &[],
        |op| Ok(op.named("checkout.session")?.body.clone()),
    ),
    route(
        "POST",
        "/v1/checkout/sessions/{id}/expire",
        "checkout.sessions.expire",
        &[],
        expire_call,
    ),
];

const DAY: i64 = 24 * 3600;

fn create(op: &mut Op<'_>) -> Answer {
    let p = op.params;
    p.required("mode")?;
    let mode = p.word("mode", "setup", &["setup", "subscription"], &["payment"])?;
    let success_url = p.required("success_url")?;
    if p.all("payment_method_types[]")
        .chain(p.all("allowed_payment_method_types[]"))
        .any(|t| t != "card")
    {
        return Err(Refusal::not_modelled("payment methods other than cards"));
    }
    p.word("customer_creation", "if_required", &["if_required"], &["always"])?;
    let expires_at = p.integer("expires_at")?.unwrap_or(op.now + DAY);
    if !(op.now + 1_800..=op.now + DAY).contains(&expires_at) {
        return Err(Refusal::invalid(
            "parameter_invalid_integer",
            "expires_at",
            "expires_at must be between 30 minutes and 24 hours from now",
        ));
    }
    if let Some(customer) = p.text("customer") {
        op.state.get("customer", customer, "customer")?;
    }
    let price = match (mode, p.text("line_items[][price]")) {
        ("subscription", Some(id)) => op.state.get("price", id, "line_items[0][price]")?.body.clone(),
        ("subscription", None) => return Err(Refusal::missing("line_items")),
        _ => Value::Null,
    };
    let mut intent_metadata = serde_json::Map::new();
    p.map("setup_intent_data[metadata]", &mut intent_metadata);
    let mut subscription_metadata = serde_json::Map::new();
    p.map("subscription_data[metadata]", &mut subscription_metadata);
    let intent = setup_intent::make(op.state, op.now, p.text("customer"), intent_metadata.into())["id"].clone();
    let id = format!("cs_test_{}", letters::<48>());
    let total = if price.is_null() {
        Value::Null
    } else {
        price["unit_amount"].clone()
    };
    let body = json!({
        "id": id, "object": "checkout.session", "adaptive_pricing": null, "after_expiration": null, "allow_promotion_codes": null,
        "amount_subtotal": total, "amount_total": total, "automatic_tax": { "enabled": false, "liability": null, "status": null },
        "billing_address_collection": null, "cancel_url": op.optional("cancel_url"), "client_reference_id": op.optional("client_reference_id"),
        "client_secret": null, "consent": null, "consent_collection": null, "created": op.now,
        "currency": if mode == "setup" { op.optional("currency") } else { "usd".into() }, "currency_conversion": null, "custom_fields": [],
        "custom_text": { "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null },
        "customer": op.optional("customer"), "customer_creation": null, "customer_details": null, "customer_email": op.optional("customer_email"),
        "discounts": null, "expires_at": expires_at, "invoice": null, "invoice_creation": null, "livemode": false, "locale": op.optional("locale"),
        "metadata": op.metadata(), "mode": mode, "payment_intent": null, "payment_link": null, "payment_method_collection": "always",
        "payment_method_configuration_details": null, "payment_method_options": {}, "payment_method_types": ["card"],
        "payment_status": if mode == "setup" { "no_payment_required" } else { "unpaid" }, "phone_number_collection": { "enabled": false },
        "recovered_from": null, "saved_payment_method_options": null, "setup_intent": if mode == "setup" { intent.clone() } else { Value::Null },
        "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [], "status": "open", "submit_type": null,
        "subscription": null, "success_url": success_url, "total_details": null, "ui_mode": "hosted_page",
        "url": format!("{}/c/pay/{id}", op.base),
    });
    let body = op.state.add(body);
    op.state.hidden(&id).order =
        Some(json!({ "intent": intent, "price": price["id"], "metadata": subscription_metadata }));
    Ok(body)
}

/// What a session's card is tried on.
pub fn intent(state: &State, session: &str) -> String {
    let order = state.objects[session].hidden.order.as_ref();
    order.and_then(|o| o["intent"].as_str()).unwrap_or_default().to_owned()
}

/// The session that a setup intent belongs to, if one does.
pub fn of_intent(state: &State, intent_id: &str) -> Option<String> {
    let sessions = state.list("checkout.session");
    let mut ids = sessions.into_iter().filter_map(|s| s.body["id"].as_str());
    ids.find(|id| intent(state, id) == intent_id).map(str::to_owned)
}

/// The card is stored: buys what is to be bought, and closes the session.
pub fn complete(state: &mut State, at: i64, id: &str) -> Answer {
    let body = state.objects[id].body.clone();
    let mut fields = json!({ "status": "complete", "url": null });
    if body["mode"] == "subscription" {
        let order = state.objects[id].hidden.order.clone().unwrap_or_default();
        let method = state.objects[&intent(state, id)].body["payment_method"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let buyer = match body["customer"].as_str() {
            Some(known) => known.to_owned(),
            None => customer::make(state, at, body["customer_email"].as_str()),
        };
        payment_method::attach(state, at, &method, &buyer)?;
        let wanted = subscription::Wanted {
            customer: buyer.clone(),
            price: order["price"].as_str().unwrap_or_default().to_owned(),
            quantity: 1,
            method: Some(method),
            behaviour: "error_if_incomplete".into(),
            metadata: order["metadata"].clone(),
        };
        let bought = match subscription::make(state, at, &wanted) {
            Ok(bought) => bought,
            Err(refused) => {
                another_intent(state, at, id);
                return Err(refused);
            }
        };
        fields["customer"] = buyer.into();
        fields["subscription"] = bought["id"].clone();
        fields["invoice"] = bought["latest_invoice"].clone();
        fields["payment_status"] = "paid".into();
    }
    let body = state.set(id, fields);
    state.emit(at, "checkout.session.completed", &body, None);
    Ok(body)
}

/// The next card is tried on an intent of its own: the last one is used up.
fn another_intent(state: &mut State, at: i64, id: &str) {
    let customer = state.objects[id].body["customer"].as_str().map(str::to_owned);
    let fresh = setup_intent::make(state, at, customer.as_deref(), json!({}))["id"].clone();
    if let Some(order) = &mut state.hidden(id).order {
        order["intent"] = fresh;
    }
}

/// Nobody came.
pub fn expire(state: &mut State, at: i64, id: &str) -> Value {
    let body = state.set(id, json!({ "status": "expired", "url": null }));
    state.emit(at, "checkout.session.expired", &body, None);
    body
}

fn expire_call(op: &mut Op<'_>) -> Answer {
    if op.named("checkout.session")?.body["status"] != "open" {
        return Err(Refusal::state(
            "checkout_session_not_open",
            "Only Checkout Sessions with a status in [\"open\"] can be expired.",
        ));
    }
    Ok(expire(op.state, op.now, op.path[0]))
}

fn list(op: &mut Op<'_>) -> Answer {
    let (customer, status) = (op.params.text("customer"), op.params.text("status"));
    op.page("checkout.session", "/v1/checkout/sessions", |s| {
        customer.is_none_or(|c| s["customer"] == c) && status.is_none_or(|w| s["status"] == w)
    })
}

//! Customers.

use serde_json::{Value, json};

use super::{Answer, Op, Route, payment_method, route};
use crate::{
    error::Refusal,
    state::{State, letters},
};

const FIELDS: &[&str] = &[
    "email",
    "name",
    "description",
    "phone",
    "metadata[*]",
    "invoice_settings[default_payment_method]",
];

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/customers",
        "customers.create",
        &[
            "email",
            "name",
            "description",
            "phone",
            "metadata[*]",
            "invoice_settings[default_payment_method]",
            "payment_method",
            "test_clock",
        ],
        create,
    ),
    route("GET", "/v1/customers", "customers.list", &["email", "test_clock"], list),
    route("GET", "/v1/customers/{id}", "customers.retrieve", &[], retrieve),
    route("POST", "/v1/customers/{id}", "customers.update", FIELDS, update),
    route("DELETE", "/v1/customers/{id}", "customers.delete", &[], delete),
    route(
        "GET",
        "/v1/customers/{id}/payment_methods",
        "customers.payment_methods",
        &["type"],
        payment_methods,
    ),
];

fn create(op: &mut Op<'_>) -> Answer {
    if let Some(email) = op.params.text("email").filter(|e| !e.contains('@')) {
        return Err(Refusal::invalid(
            "email_invalid",
            "email",
            format!("Invalid email address: {email}"),
        ));
    }
    let at = match op.params.text("test_clock") {
        Some(clock) => op.state.get("test_helpers.test_clock", clock, "test_clock")?.body["frozen_time"]
            .as_i64()
            .unwrap_or(op.now),
        None => op.now,
    };
    let id = add(op.state, at, op.params.text("email"));
    let fields = json!({
        "description": op.optional("description"), "metadata": op.metadata(), "name": op.optional("name"),
        "phone": op.optional("phone"), "test_clock": op.optional("test_clock"),
    });
    let body = op.state.set(&id, fields);
    if let Some(method) = op.params.text("payment_method")
        && let Err(refused) = payment_method::attach(op.state, at, method, &id)
    {
        op.state.objects.remove(&id);
        return Err(refused);
    }
    op.state.emit(at, "customer.created", &body, None);
    set_default(op, &id, at)
}

/// A customer known by an address only, as the hosted page makes one.
pub fn make(state: &mut State, at: i64, email: Option<&str>) -> String {
    let id = add(state, at, email);
    let body = state.objects[&id].body.clone();
    state.emit(at, "customer.created", &body, None);
    id
}

fn add(state: &mut State, at: i64, email: Option<&str>) -> String {
    let id = state.id("cus");
    state.add(json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": at, "currency": null, "default_source": null,
        "delinquent": false, "description": null, "discount": null, "email": email,
        "invoice_prefix": letters::<8>().to_ascii_uppercase(),
        "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null },
        "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1, "phone": null, "preferred_locales": [],
        "shipping": null, "tax_exempt": "none", "test_clock": null,
    }));
    id
}

fn update(op: &mut Op<'_>) -> Answer {
    let before = op.named("customer")?.body.clone();
    let id = op.path[0].to_owned();
    let at = op.state.time_of(&before, op.now);
    let mut fields = json!({ "metadata": op.changed_metadata(&before) });
    for field in ["email", "name", "description", "phone"] {
        if op.params.has(field) {
            fields[field] = op.optional(field);
        }
    }
    if fields["metadata"] != before["metadata"] || fields.as_object().is_some_and(|f| f.len() > 1) {
        op.state.update(at, &id, "customer.updated", fields);
    }
    set_default(op, &id, at)
}

/// Makes `invoice_settings[default_payment_method]` the customer's default; it must be attached.
fn set_default(op: &mut Op<'_>, id: &str, at: i64) -> Answer {
    if let Some(method) = op.params.text("invoice_settings[default_payment_method]") {
        let method = payment_method::of_customer(op.state, method, id)?;
        let mut settings = op.state.objects[id].body["invoice_settings"].clone();
        settings["default_payment_method"] = method.into();
        return Ok(op
            .state
            .update(at, id, "customer.updated", json!({ "invoice_settings": settings })));
    }
    Ok(op.state.objects[id].body.clone())
}

fn retrieve(op: &mut Op<'_>) -> Answer {
    let deleted = |b: &Value| b["object"] == "customer" && b["deleted"] == true;
    match op.state.objects.get(op.path[0]).map(|o| &o.body) {
        Some(body) if deleted(body) => Ok(json!({ "id": body["id"], "object": "customer", "deleted": true })),
        _ => Ok(op.named("customer")?.body.clone()),
    }
}

fn delete(op: &mut Op<'_>) -> Answer {
    let body = op.named("customer")?.body.clone();
    let at = op.state.time_of(&body, op.now);
    let id = op.path[0].to_owned();
    let live = op.state.ids_where("subscription", |s| {
        s["customer"] == id.as_str() && s["ended_at"].is_null()
    });
    for subscription in live {
        super::subscription::end(op.state, at, &subscription);
    }
    op.state.set(&id, json!({ "deleted": true }));
    op.state.emit(at, "customer.deleted", &body, None);
    Ok(json!({ "id": id, "object": "customer", "deleted": true }))
}

fn list(op: &mut Op<'_>) -> Answer {
    let (email, clock) = (op.params.text("email"), op.params.text("test_clock"));
    op.page("customer", "/v1/customers", |c| {
        email.is_none_or(|e| c["email"] == e) && clock.map_or(c["test_clock"].is_null(), |k| c["test_clock"] == k)
    })
}

fn payment_methods(op: &mut Op<'_>) -> Answer {
    let id = op.named("customer")?.body["id"].clone();
    let kind = op.params.text("type");
    op.page(
        "payment_method",
        &format!("/v1/customers/{}/payment_methods", op.path[0]),
        |m| m["customer"] == id && kind.is_none_or(|k| m["type"] == k),
    )
}

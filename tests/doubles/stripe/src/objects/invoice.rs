//! Invoices: drafted, finalised, collected; and the payments that link them to payment intents.

use serde_json::{Value, json};

use super::{Answer, Op, Route, payment, payment_method, route};
use crate::{
    error::Refusal,
    state::{Hidden, State},
};

pub const ROUTES: &[Route] = &[
    route(
        "GET",
        "/v1/invoices",
        "invoices.list",
        &["customer", "subscription", "status"],
        list,
    ),
    route("GET", "/v1/invoices/{id}", "invoices.retrieve", &[], |op| {
        Ok(op.named("invoice")?.body.clone())
    }),
    route(
        "POST",
        "/v1/invoices/{id}/pay",
        "invoices.pay",
        &["payment_method", "off_session"],
        pay_call,
    ),
    route(
        "GET",
        "/v1/invoice_payments",
        "invoice_payments.list",
        &["invoice", "status"],
        list_payments,
    ),
    route(
        "GET",
        "/v1/invoice_payments/{id}",
        "invoice_payments.retrieve",
        &[],
        |op| Ok(op.named("invoice_payment")?.body.clone()),
    ),
];

/// A renewal's invoice stays a draft for an hour, so that it can still be changed.
pub const DRAFT_SECONDS: i64 = 3_600;

/// An invoice for a subscription's current period, not yet final.
pub fn draft(state: &mut State, at: i64, subscription: &str, reason: &str) -> String {
    let body = state.objects[subscription].body.clone();
    let item = &body["items"]["data"][0];
    let cents = item["price"]["unit_amount"].as_i64().unwrap_or_default() * item["quantity"].as_i64().unwrap_or(1);
    let period = json!({ "start": item["current_period_start"], "end": item["current_period_end"] });
    let id = state.id("in");
    let line = json!({
        "id": state.id("il"), "object": "line_item", "amount": cents, "currency": "usd", "description": "1 × Micro (at $35.00 / month)",
        "discount_amounts": [], "discountable": true, "discounts": [], "invoice": id, "livemode": false, "metadata": {},
        "parent": { "invoice_item_details": null, "subscription_item_details": {
            "invoice_item": null, "proration": false, "proration_details": { "credited_items": null },
            "subscription": subscription, "subscription_item": item["id"] }, "type": "subscription_item_details" },
        "period": period, "pretax_credit_amounts": [],
        "pricing": { "price_details": { "price": item["price"]["id"], "product": item["price"]["product"] }, "type": "price_details", "unit_amount_decimal": item["price"]["unit_amount_decimal"] },
        "quantity": item["quantity"], "subtotal": cents, "taxes": [],
    });
    let body = json!({
        "id": id, "object": "invoice", "account_country": "US", "account_name": "Micro", "account_tax_ids": null, "amount_due": cents,
        "amount_overpaid": 0, "amount_paid": 0, "amount_remaining": cents, "amount_shipping": 0, "application": null, "attempt_count": 0,
        "attempted": false, "auto_advance": true, "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
        "automatically_finalizes_at": at + DRAFT_SECONDS, "billing_reason": reason, "collection_method": "charge_automatically", "created": at,
        "currency": "usd", "custom_fields": null, "customer": body["customer"], "customer_address": null,
        "customer_email": state.objects[body["customer"].as_str().unwrap_or_default()].body["email"], "customer_name": null,
        "customer_phone": null, "customer_shipping": null, "customer_tax_exempt": "none", "customer_tax_ids": [], "default_payment_method": null,
        "default_source": null, "default_tax_rates": [], "description": null, "discounts": [], "due_date": null, "effective_at": null,
        "ending_balance": null, "footer": null, "from_invoice": null, "hosted_invoice_url": null, "invoice_pdf": null,
        "issuer": { "type": "self" }, "last_finalization_error": null, "latest_revision": null,
        "lines": { "object": "list", "data": [line], "has_more": false, "total_count": 1, "url": format!("/v1/invoices/{id}/lines") },
        "livemode": false, "metadata": {}, "next_payment_attempt": at + DRAFT_SECONDS, "number": null, "on_behalf_of": null,
        "parent": { "quote_details": null, "subscription_details": { "metadata": body["metadata"], "subscription": subscription, "subscription_proration_date": null }, "type": "subscription_details" },
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "period_end": item["current_period_start"], "period_start": item["current_period_start"], "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null, "shipping_cost": null, "shipping_details": null,
        "starting_balance": 0, "statement_descriptor": null, "status": "draft",
        "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "subtotal": cents, "subtotal_excluding_tax": cents, "test_clock": body["test_clock"], "total": cents, "total_discount_amounts": [],
        "total_excluding_tax": cents, "total_pretax_credit_amounts": [], "total_taxes": [], "webhooks_delivered_at": null,
    });
    state.add_with(
        body,
        Hidden {
            subscription: Some(subscription.into()),
            ..Hidden::default()
        },
    );
    id
}

/// Gives the invoice its number and opens it.
fn finalise(state: &mut State, at: i64, id: &str) {
    let body = state.objects[id].body.clone();
    if body["status"] != "draft" {
        return;
    }
    let customer = body["customer"].as_str().unwrap_or_default().to_owned();
    let (prefix, sequence) = {
        let owner = &state.objects[&customer].body;
        (
            owner["invoice_prefix"].as_str().unwrap_or_default().to_owned(),
            owner["next_invoice_sequence"].as_i64().unwrap_or(1),
        )
    };
    state.set(&customer, json!({ "next_invoice_sequence": sequence + 1 }));
    let mut transitions = body["status_transitions"].clone();
    transitions["finalized_at"] = at.into();
    state.set(id, json!({
        "status": "open", "number": format!("{prefix}-{sequence:04}"), "status_transitions": transitions, "effective_at": at,
        "automatically_finalizes_at": null,
    }));
}

/// Finalises an invoice and asks the card for its money: whether it is paid.
pub fn collect(state: &mut State, at: i64, id: &str, method: &str) -> Result<bool, Refusal> {
    finalise(state, at, id);
    let body = state.objects[id].body.clone();
    let cents = body["amount_remaining"].as_i64().unwrap_or_default();
    let (customer, subscription) = (
        body["customer"].as_str().unwrap_or_default().to_owned(),
        state.objects[id].hidden.subscription.clone(),
    );
    let due = payment::Due {
        cents,
        customer: &customer,
        method,
        subscription: subscription.as_deref(),
        description: "Subscription creation",
    };
    let attempts = body["attempt_count"].as_i64().unwrap_or_default() + 1;
    let paid = payment::pay(state, at, &due);
    state.set(
        id,
        json!({ "attempted": true, "attempt_count": attempts, "next_payment_attempt": null }),
    );
    let intent = paid?;
    let mut transitions = state.objects[id].body["status_transitions"].clone();
    transitions["paid_at"] = at.into();
    state.set(
        id,
        json!({ "status": "paid", "amount_paid": cents, "amount_remaining": 0, "status_transitions": transitions }),
    );
    let payment = json!({
        "id": state.id("inpay"), "object": "invoice_payment", "amount_paid": cents, "amount_requested": cents, "created": at, "currency": "usd",
        "invoice": id, "is_default": true, "livemode": false, "payment": { "payment_intent": intent, "type": "payment_intent" }, "status": "paid",
        "status_transitions": { "canceled_at": null, "paid_at": at },
    });
    state.add(payment);
    Ok(true)
}

/// The events of a first invoice, in Stripe's order.
pub fn announce(state: &mut State, at: i64, id: &str, outcome: &Result<bool, Refusal>) {
    finalise(state, at, id);
    let body = state.objects[id].body.clone();
    state.emit(at, "invoice.created", &body, None);
    announce_outcome(state, at, &body, outcome);
}

fn announce_outcome(state: &mut State, at: i64, body: &Value, outcome: &Result<bool, Refusal>) {
    state.emit(at, "invoice.finalized", body, None);
    match outcome {
        Ok(true) => {
            state.emit(at, "invoice.paid", body, None);
            state.emit(at, "invoice.payment_succeeded", body, None);
        }
        Ok(false) => {}
        Err(_) => state.emit(at, "invoice.payment_failed", body, None),
    }
}

/// A renewal's hour as a draft is over.
pub fn collect_draft(state: &mut State, at: i64, id: &str) {
    let Some(subscription) = state.objects[id].hidden.subscription.clone() else {
        return;
    };
    let body = &state.objects[&subscription].body;
    let customer = body["customer"].as_str().unwrap_or_default();
    let own = body["default_payment_method"].as_str();
    let default = state.objects[customer].body["invoice_settings"]["default_payment_method"].as_str();
    let outcome = match own.or(default).map(str::to_owned) {
        Some(method) => collect(state, at, id, &method),
        None => Err(Refusal::state("resource_missing", "There is no payment method.")),
    };
    finalise(state, at, id);
    let body = state.objects[id].body.clone();
    announce_outcome(state, at, &body, &outcome);
    if outcome.is_err() && state.objects[&subscription].body["ended_at"].is_null() {
        state.update(
            at,
            &subscription,
            "customer.subscription.updated",
            json!({ "status": "past_due" }),
        );
    }
}

fn pay_call(op: &mut Op<'_>) -> Answer {
    let body = op.named("invoice")?.body.clone();
    if body["status"] == "paid" {
        return Err(Refusal::state("invoice_already_paid", "Invoice is already paid"));
    }
    let at = op.state.time_of(&body, op.now);
    let customer = body["customer"].as_str().unwrap_or_default().to_owned();
    let default = op.state.objects[&customer].body["invoice_settings"]["default_payment_method"]
        .as_str()
        .map(str::to_owned);
    let method = op
        .params
        .text("payment_method")
        .map(str::to_owned)
        .or(default)
        .ok_or_else(|| Refusal::missing("payment_method"))?;
    let method = payment_method::of_customer(op.state, &method, &customer)?;
    let outcome = collect(op.state, at, op.path[0], &method);
    let after = op.state.objects[op.path[0]].body.clone();
    match outcome {
        Ok(_) => {
            op.state.emit(at, "invoice.paid", &after, None);
            op.state.emit(at, "invoice.payment_succeeded", &after, None);
            let subscription = op.state.objects[op.path[0]].hidden.subscription.clone();
            if let Some(id) = subscription.filter(|id| op.state.objects[id].body["ended_at"].is_null()) {
                op.state
                    .update(at, &id, "customer.subscription.updated", json!({ "status": "active" }));
            }
            Ok(after)
        }
        Err(refused) => {
            op.state.emit(at, "invoice.payment_failed", &after, None);
            Err(refused)
        }
    }
}

fn list(op: &mut Op<'_>) -> Answer {
    let (customer, subscription, status) = (
        op.params.text("customer"),
        op.params.text("subscription"),
        op.params.text("status"),
    );
    op.page("invoice", "/v1/invoices", |i| {
        customer.is_none_or(|c| i["customer"] == c)
            && subscription.is_none_or(|s| i["parent"]["subscription_details"]["subscription"] == s)
            && status.is_none_or(|s| i["status"] == s)
    })
}

fn list_payments(op: &mut Op<'_>) -> Answer {
    let (invoice, status) = (op.params.text("invoice"), op.params.text("status"));
    op.page("invoice_payment", "/v1/invoice_payments", |p| {
        invoice.is_none_or(|i| p["invoice"] == i) && status.is_none_or(|s| p["status"] == s)
    })
}

//! Subscriptions: made with their first invoice, renewed by the clock, ended on request.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Answer, Op, Route, invoice, payment_method, price, route};
use crate::{error::Refusal, state::State};

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/subscriptions",
        "subscriptions.create",
        &[
            "customer",
            "items[][price]",
            "items[][quantity]",
            "default_payment_method",
            "payment_behavior",
            "collection_method",
            "currency",
            "description",
            "off_session",
            "proration_behavior",
            "metadata[*]",
            "payment_settings[save_default_payment_method]",
        ],
        create,
    ),
    route(
        "GET",
        "/v1/subscriptions",
        "subscriptions.list",
        &["customer", "status", "price", "test_clock"],
        list,
    ),
    route("GET", "/v1/subscriptions/{id}", "subscriptions.retrieve", &[], |op| {
        Ok(op.named("subscription")?.body.clone())
    }),
    route(
        "POST",
        "/v1/subscriptions/{id}",
        "subscriptions.update",
        &[
            "default_payment_method",
            "cancel_at_period_end",
            "description",
            "metadata[*]",
        ],
        update,
    ),
    route(
        "DELETE",
        "/v1/subscriptions/{id}",
        "subscriptions.cancel",
        &[
            "prorate",
            "invoice_now",
            "cancellation_details[comment]",
            "cancellation_details[feedback]",
        ],
        cancel,
    ),
];

/// What is to be subscribed to.
pub struct Wanted {
    pub customer: String,
    pub price: String,
    pub quantity: i64,
    pub method: Option<String>,
    /// Stripe's `payment_behavior`.
    pub behaviour: String,
    pub metadata: Value,
}

fn create(op: &mut Op<'_>) -> Answer {
    let p = op.params;
    let customer = p.required("customer")?.to_owned();
    let price = p.required("items[][price]")?.to_owned();
    if p.all("items[][price]").count() > 1 {
        return Err(Refusal::not_modelled("subscriptions of several prices"));
    }
    let stripes = ["pending_if_incomplete"];
    let behaviour = p.word(
        "payment_behavior",
        "allow_incomplete",
        &["allow_incomplete", "default_incomplete", "error_if_incomplete"],
        &stripes,
    )?;
    p.word(
        "collection_method",
        "charge_automatically",
        &["charge_automatically"],
        &["send_invoice"],
    )?;
    let body = op.state.get("customer", &customer, "customer")?.body.clone();
    let at = op.state.time_of(&body, op.now);
    let default = body["invoice_settings"]["default_payment_method"]
        .as_str()
        .map(str::to_owned);
    let method = match p.text("default_payment_method") {
        Some(id) => Some(payment_method::of_customer(op.state, id, &customer)?),
        None => default,
    };
    if method.is_none() && behaviour != "default_incomplete" {
        let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method.";
        return Err(Refusal::state("resource_missing", message));
    }
    let quantity = p.integer("items[][quantity]")?.unwrap_or(1);
    let wanted = Wanted {
        customer,
        price,
        quantity,
        method,
        behaviour: behaviour.into(),
        metadata: op.metadata().into(),
    };
    let made = make(op.state, at, &wanted)?;
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    let default_method = op.optional("default_payment_method");
    Ok(op.state.set(
        &id,
        json!({ "description": op.optional("description"), "default_payment_method": default_method }),
    ))
}

/// Makes a subscription and asks for its first invoice's money. With `error_if_incomplete` a refusal leaves none.
pub fn make(state: &mut State, at: i64, wanted: &Wanted) -> Answer {
    let price = state.get("price", &wanted.price, "items[0][price]")?.body.clone();
    let id = add(state, at, wanted, &price);
    let first = invoice::draft(state, at, &id, "subscription_create");
    let fails_whole = wanted.behaviour == "error_if_incomplete";
    let outcome = match (&wanted.method, wanted.behaviour.as_str()) {
        (None, _) | (_, "default_incomplete") => Ok(false),
        (Some(method), _) => invoice::collect(state, at, &first, method),
    };
    if let (Err(refused), true) = (&outcome, fails_whole) {
        for gone in [&id, &first] {
            state.objects.remove(gone);
        }
        return Err(refused.clone());
    }
    let status = if matches!(outcome, Ok(true)) {
        "active"
    } else {
        "incomplete"
    };
    let body = state.set(&id, json!({ "status": status, "latest_invoice": first }));
    state.emit(at, "customer.subscription.created", &body, None);
    invoice::announce(state, at, &first, &outcome);
    Ok(body)
}

fn add(state: &mut State, at: i64, wanted: &Wanted, price: &Value) -> String {
    let id = state.id("sub");
    let end = period_end(price, at, at);
    let item = json!({
        "id": state.id("si"), "object": "subscription_item", "billing_thresholds": null, "created": at, "current_period_end": end,
        "current_period_start": at, "discounts": [], "metadata": {}, "plan": price::plan(price), "price": price, "quantity": wanted.quantity,
        "subscription": id, "tax_rates": [],
    });
    let clock = state.objects[&wanted.customer].body["test_clock"].clone();
    state.add(json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null }, "billing_cycle_anchor": at,
        "billing_cycle_anchor_config": null, "billing_mode": { "type": "flexible", "flexible": null, "updated_at": null }, "billing_schedules": [],
        "billing_thresholds": null, "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null }, "collection_method": "charge_automatically",
        "created": at, "currency": "usd", "customer": wanted.customer, "customer_account": null, "days_until_due": null,
        "default_payment_method": wanted.method, "default_source": null, "default_tax_rates": [], "description": null, "discounts": [],
        "ended_at": null, "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "items": { "object": "list", "data": [item], "has_more": false, "total_count": 1, "url": format!("/v1/subscription_items?subscription={id}") },
        "latest_invoice": null, "livemode": false, "metadata": wanted.metadata, "next_pending_invoice_item_invoice": null,
        "on_behalf_of": null, "pause_collection": null,
        "payment_settings": { "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off" },
        "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null, "schedule": null, "start_date": at,
        "status": "incomplete", "test_clock": clock, "transfer_data": null, "trial_end": null,
        "trial_settings": { "end_behavior": { "missing_payment_method": "create_invoice" } }, "trial_start": null,
    }));
    id
}

/// When the period that starts at `start` ends: the anchor's day and time of day, or the month's last day.
fn period_end(price: &Value, anchor: i64, start: i64) -> i64 {
    let count = price["recurring"]["interval_count"].as_i64().unwrap_or(1);
    let from = OffsetDateTime::from_unix_timestamp(start).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let months = match price["recurring"]["interval"].as_str() {
        Some("day") => return (from + Duration::days(count)).unix_timestamp(),
        Some("week") => return (from + Duration::weeks(count)).unix_timestamp(),
        Some("year") => 12 * count,
        _ => count,
    };
    let index = i64::from(from.year()) * 12 + i64::from(u8::from(from.month())) - 1 + months;
    let year = i32::try_from(index.div_euclid(12)).unwrap_or(from.year());
    let month = u8::try_from(index.rem_euclid(12) + 1)
        .ok()
        .and_then(|m| time::Month::try_from(m).ok())
        .unwrap_or(from.month());
    let anchor_day = OffsetDateTime::from_unix_timestamp(anchor).map_or(from.day(), OffsetDateTime::day);
    let date = time::Date::from_calendar_date(year, month, anchor_day.min(month.length(year)));
    date.map_or(start, |d| from.replace_date(d).unix_timestamp())
}

/// Starts the next period and drafts its invoice, or ends what was to end.
pub fn renew(state: &mut State, at: i64, id: &str) {
    let body = state.objects[id].body.clone();
    if body["cancel_at_period_end"] == true {
        end(state, at, id);
        return;
    }
    let mut items = body["items"].clone();
    let anchor = body["billing_cycle_anchor"].as_i64().unwrap_or(at);
    let end = period_end(&items["data"][0]["price"], anchor, at);
    items["data"][0]["current_period_start"] = at.into();
    items["data"][0]["current_period_end"] = end.into();
    state.set(id, json!({ "items": items }));
    let next = invoice::draft(state, at, id, "subscription_cycle");
    let after = state.set(id, json!({ "latest_invoice": next }));
    let previous = json!({ "items": body["items"], "latest_invoice": body["latest_invoice"] });
    state.emit(at, "customer.subscription.updated", &after, Some(previous));
    let draft = state.objects[&next].body.clone();
    state.emit(at, "invoice.created", &draft, None);
}

/// Ends a subscription now.
pub fn end(state: &mut State, at: i64, id: &str) -> Value {
    let status = if state.objects[id].body["status"] == "incomplete" {
        "incomplete_expired"
    } else {
        "canceled"
    };
    let body = state.set(
        id,
        json!({
            "status": status, "canceled_at": at, "ended_at": at,
            "cancellation_details": { "comment": null, "feedback": null, "reason": "cancellation_requested" },
        }),
    );
    state.emit(at, "customer.subscription.deleted", &body, None);
    body
}

fn cancel(op: &mut Op<'_>) -> Answer {
    let body = op.named("subscription")?.body.clone();
    if !body["ended_at"].is_null() {
        return Err(Refusal::no_such("subscription", op.path[0], "id"));
    }
    if op.params.boolean("prorate")? == Some(true) || op.params.boolean("invoice_now")? == Some(true) {
        return Err(Refusal::not_modelled("proration on cancellation"));
    }
    let at = op.state.time_of(&body, op.now);
    Ok(end(op.state, at, op.path[0]))
}

fn update(op: &mut Op<'_>) -> Answer {
    let body = op.named("subscription")?.body.clone();
    let customer = body["customer"].as_str().unwrap_or_default().to_owned();
    let mut fields = json!({ "metadata": op.changed_metadata(&body) });
    if let Some(method) = op.params.text("default_payment_method") {
        fields["default_payment_method"] = payment_method::of_customer(op.state, method, &customer)?.into();
    }
    if let Some(at_end) = op.params.boolean("cancel_at_period_end")? {
        fields["cancel_at_period_end"] = at_end.into();
        fields["cancel_at"] = if at_end {
            body["items"]["data"][0]["current_period_end"].clone()
        } else {
            Value::Null
        };
    }
    if op.params.has("description") {
        fields["description"] = op.optional("description");
    }
    let at = op.state.time_of(&body, op.now);
    Ok(op.state.update(at, op.path[0], "customer.subscription.updated", fields))
}

fn list(op: &mut Op<'_>) -> Answer {
    let p = op.params;
    let (customer, price) = (p.text("customer"), p.text("price"));
    if let Some(customer) = customer {
        op.state.get("customer", customer, "customer")?;
    }
    let known = [
        "active",
        "past_due",
        "unpaid",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "trialing",
        "paused",
        "all",
        "ended",
    ];
    let status = p
        .text("status")
        .map(|_| p.word("status", "all", &known, &[]))
        .transpose()?;
    op.page("subscription", "/v1/subscriptions", |s| {
        let matches = match status {
            None => s["status"] != "canceled",
            Some("all") => true,
            Some("ended") => !s["ended_at"].is_null(),
            Some(word) => s["status"] == word,
        };
        matches
            && customer.is_none_or(|c| s["customer"] == c)
            && price.is_none_or(|id| s["items"]["data"][0]["price"]["id"] == id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_from_the_31st_ends_on_the_last_day_and_comes_back() {
        let price = json!({ "recurring": { "interval": "month", "interval_count": 1 } });
        let at = |text: &str| {
            OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
                .expect("valid")
                .unix_timestamp()
        };
        let anchor = at("2026-01-31T10:00:00Z");
        let february = period_end(&price, anchor, anchor);
        assert_eq!(february, at("2026-02-28T10:00:00Z"));
        assert_eq!(period_end(&price, anchor, february), at("2026-03-31T10:00:00Z"));
        assert_eq!(
            period_end(&price, at("2026-12-05T00:00:00Z"), at("2026-12-05T00:00:00Z")),
            at("2027-01-05T00:00:00Z")
        );
    }
}

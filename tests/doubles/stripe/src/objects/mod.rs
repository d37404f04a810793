//! What each resource can do: a table of routes per resource, and the parts they share.

pub mod checkout;
pub mod customer;
pub mod event;
pub mod invoice;
pub mod payment;
pub mod payment_method;
pub mod price;
pub mod refund;
pub mod setup_intent;
pub mod subscription;
pub mod test_clock;
pub mod webhook_endpoint;

use serde_json::{Map, Value, json};

use crate::{
    error::Refusal,
    params::Params,
    state::{State, Stored},
};

/// One call being executed.
pub struct Op<'a> {
    pub state: &'a mut State,
    pub params: &'a Params,
    /// What stands in the path's braces, in order.
    pub path: Vec<&'a str>,
    /// The account's time.
    pub now: i64,
    /// Where browsers find the double's pages; no slash at the end.
    pub base: &'a str,
}

/// A body, or a refusal.
pub type Answer = Result<Value, Refusal>;

/// One endpoint.
pub struct Route {
    pub method: &'static str,
    pub pattern: &'static str,
    /// What faults call it.
    pub operation: &'static str,
    /// Every parameter it takes, by shape; anything else is `parameter_unknown`.
    pub allowed: &'static [&'static str],
    pub run: fn(&mut Op<'_>) -> Answer,
}

const fn route(
    method: &'static str,
    pattern: &'static str,
    operation: &'static str,
    allowed: &'static [&'static str],
    run: fn(&mut Op<'_>) -> Answer,
) -> Route {
    Route {
        method,
        pattern,
        operation,
        allowed,
        run,
    }
}

/// Every endpoint that is modelled.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    [
        checkout::ROUTES,
        customer::ROUTES,
        event::ROUTES,
        invoice::ROUTES,
        payment::ROUTES,
        payment_method::ROUTES,
        price::ROUTES,
        refund::ROUTES,
        setup_intent::ROUTES,
        subscription::ROUTES,
        test_clock::ROUTES,
        webhook_endpoint::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// Resources that Stripe has: under them an endpoint we lack is 501, elsewhere 404.
pub const STRIPES: &[&str] = &[
    "account",
    "accounts",
    "apple_pay",
    "application_fees",
    "apps",
    "balance",
    "balance_transactions",
    "billing",
    "billing_portal",
    "charges",
    "checkout",
    "climate",
    "confirmation_tokens",
    "country_specs",
    "coupons",
    "credit_notes",
    "customer_sessions",
    "customers",
    "disputes",
    "entitlements",
    "ephemeral_keys",
    "events",
    "exchange_rates",
    "file_links",
    "files",
    "financial_connections",
    "forwarding",
    "identity",
    "invoice_payments",
    "invoice_rendering_templates",
    "invoiceitems",
    "invoices",
    "issuing",
    "mandates",
    "payment_intents",
    "payment_links",
    "payment_method_configurations",
    "payment_method_domains",
    "payment_methods",
    "payouts",
    "plans",
    "prices",
    "products",
    "promotion_codes",
    "quotes",
    "radar",
    "refunds",
    "reporting",
    "reviews",
    "setup_attempts",
    "setup_intents",
    "shipping_rates",
    "sigma",
    "sources",
    "subscription_items",
    "subscription_schedules",
    "subscriptions",
    "tax",
    "tax_codes",
    "tax_ids",
    "tax_rates",
    "terminal",
    "test_helpers",
    "tokens",
    "topups",
    "transfers",
    "treasury",
    "webhook_endpoints",
];

/// The parameters of every list, beside its own filters.
const PAGE: &[&str] = &[
    "limit",
    "starting_after",
    "ending_before",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
];

/// Parameters that any list takes.
pub fn is_page(shape: &str) -> bool {
    PAGE.contains(&shape)
}

impl Op<'_> {
    /// One page of a kind, newest first, after the filter.
    fn page(&self, kind: &str, url: &str, wanted: impl Fn(&Value) -> bool) -> Answer {
        let p = self.params;
        let limit = p.integer("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit).ok().filter(|n| (1..=100).contains(n));
        let limit = limit
            .ok_or_else(|| Refusal::invalid("parameter_invalid_integer", "limit", "limit must be between 1 and 100"))?;
        let mut bounds = Vec::new();
        for (name, holds) in [
            ("created[gt]", (|a, b| a > b) as fn(i64, i64) -> bool),
            ("created[gte]", |a, b| a >= b),
            ("created[lt]", |a, b| a < b),
            ("created[lte]", |a, b| a <= b),
        ] {
            if let Some(bound) = p.integer(name)? {
                bounds.push((holds, bound));
            }
        }
        let within = |o: &&Stored| {
            let created = o.body["created"].as_i64().unwrap_or_default();
            bounds.iter().all(|(holds, bound)| holds(created, *bound))
        };
        let mut all: Vec<&Stored> = self
            .state
            .list(kind)
            .into_iter()
            .filter(|o| wanted(&o.body))
            .filter(within)
            .collect();
        let mut backwards = false;
        if let Some(id) = p.text("starting_after") {
            let after = self.state.get(kind, id, "starting_after")?.seq;
            all.retain(|o| o.seq < after);
        } else if let Some(id) = p.text("ending_before") {
            let before = self.state.get(kind, id, "ending_before")?.seq;
            all.retain(|o| o.seq > before);
            all.reverse();
            backwards = true;
        }
        let more = all.len() > limit;
        let mut data: Vec<Value> = all.into_iter().take(limit).map(|o| o.body.clone()).collect();
        if backwards {
            data.reverse();
        }
        Ok(json!({ "object": "list", "url": url, "has_more": more, "data": data }))
    }

    /// The `metadata` of a new object.
    fn metadata(&self) -> Map<String, Value> {
        let mut metadata = Map::new();
        self.params.metadata(&mut metadata);
        metadata
    }

    /// `metadata` after this request's changes to an object's.
    fn changed_metadata(&self, body: &Value) -> Value {
        let mut metadata = body["metadata"].as_object().cloned().unwrap_or_default();
        self.params.metadata(&mut metadata);
        metadata.into()
    }

    /// The object that the path names.
    fn named(&self, kind: &str) -> Result<&Stored, Refusal> {
        self.state.get(kind, self.path[0], "id")
    }

    /// The value of an optional text parameter, as JSON.
    fn optional(&self, shape: &str) -> Value {
        self.params.text(shape).into()
    }
}

/// Replaces ids by objects along each `expand[]` path.
pub fn expand(state: &State, body: &mut Value, params: &Params) -> Result<(), Refusal> {
    for path in params.all("expand[]") {
        let segments: Vec<_> = path.split('.').collect();
        if segments.len() > 4 {
            return Err(Refusal::invalid(
                "property_expansion_max_depth",
                "expand",
                "You cannot expand more than 4 levels of a property",
            ));
        }
        expand_path(state, body, &segments, path)?;
    }
    Ok(())
}

fn expand_path(state: &State, at: &mut Value, segments: &[&str], whole: &str) -> Result<(), Refusal> {
    let Some((segment, rest)) = segments.split_first() else {
        return Ok(());
    };
    if let Some(list) = at.as_array_mut() {
        return list
            .iter_mut()
            .try_for_each(|item| expand_path(state, item, segments, whole));
    }
    if at.is_null() {
        return Ok(());
    }
    includable(state, at, segment);
    let Some(next) = at.get_mut(*segment) else {
        let message = format!("This property cannot be expanded ({whole}).");
        return Err(Refusal::invalid("property_expansion_invalid", "expand", message));
    };
    if let Some(found) = next.as_str().and_then(|id| state.objects.get(id)) {
        *next = found.body.clone();
    }
    expand_path(state, next, rest, whole)
}

/// Lists that stand in an object only when asked for.
fn includable(state: &State, at: &mut Value, segment: &str) {
    let (kind, url, field) = match (at["object"].as_str(), segment) {
        (Some("invoice"), "payments") => ("invoice_payment", "/v1/invoice_payments", "invoice"),
        (Some("customer"), "subscriptions") => ("subscription", "/v1/subscriptions", "customer"),
        _ => return,
    };
    let id = at["id"].clone();
    let data: Vec<Value> = state
        .list(kind)
        .into_iter()
        .filter(|o| o.body[field] == id)
        .map(|o| o.body.clone())
        .collect();
    at[segment] = json!({ "object": "list", "url": url, "has_more": false, "data": data });
}

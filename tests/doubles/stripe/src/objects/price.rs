//! Products and prices.

use serde_json::{Value, json};

use super::{Answer, Op, Route, route};
use crate::{error::Refusal, state::State};

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/products",
        "products.create",
        &["id", "name", "description", "metadata[*]", "active"],
        create_product,
    ),
    route("GET", "/v1/products", "products.list", &["active"], |op| {
        op.page("product", "/v1/products", |_| true)
    }),
    route("GET", "/v1/products/{id}", "products.retrieve", &[], |op| {
        Ok(op.named("product")?.body.clone())
    }),
    route(
        "POST",
        "/v1/prices",
        "prices.create",
        &[
            "currency",
            "unit_amount",
            "recurring[interval]",
            "recurring[interval_count]",
            "product",
            "product_data[name]",
            "nickname",
            "lookup_key",
            "metadata[*]",
            "active",
        ],
        create_price,
    ),
    route(
        "GET",
        "/v1/prices",
        "prices.list",
        &["active", "product", "lookup_keys[]"],
        list_prices,
    ),
    route("GET", "/v1/prices/{id}", "prices.retrieve", &[], |op| {
        Ok(op.named("price")?.body.clone())
    }),
];

fn product(id: String, name: &str, at: i64) -> Value {
    json!({
        "id": id, "object": "product", "active": true, "attributes": [], "created": at, "default_price": null, "description": null,
        "images": [], "livemode": false, "marketing_features": [], "metadata": {}, "name": name, "package_dimensions": null,
        "shippable": null, "statement_descriptor": null, "tax_code": null, "type": "service", "unit_label": null, "updated": at, "url": null,
    })
}

fn price(id: &str, product: &str, cents: i64, (interval, count): (&str, i64), at: i64) -> Value {
    json!({
        "id": id, "object": "price", "active": true, "billing_scheme": "per_unit", "created": at, "currency": "usd",
        "custom_unit_amount": null, "livemode": false, "lookup_key": null, "metadata": {}, "nickname": null, "product": product,
        "recurring": { "interval": interval, "interval_count": count, "meter": null, "trial_period_days": null, "usage_type": "licensed" },
        "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": "recurring",
        "unit_amount": cents, "unit_amount_decimal": cents.to_string(),
    })
}

/// The legacy plan of a price, which subscription items still carry.
pub fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"], "object": "plan", "active": true, "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit", "created": price["created"], "currency": price["currency"],
        "interval": price["recurring"]["interval"], "interval_count": price["recurring"]["interval_count"], "livemode": false,
        "metadata": {}, "meter": null, "nickname": null, "product": price["product"], "tiers_mode": null, "transform_usage": null,
        "trial_period_days": null, "usage_type": "licensed",
    })
}

/// Makes the price of $35 a month under a given id, once.
pub fn ensure_developer(state: &mut State, id: &str, at: i64) {
    if state.find("price", id).is_none() {
        let product = state.add(product("prod_micro".into(), "Micro", at));
        state.add(price(
            id,
            product["id"].as_str().unwrap_or_default(),
            3_500,
            ("month", 1),
            at,
        ));
    }
}

fn create_product(op: &mut Op<'_>) -> Answer {
    let name = op.params.required("name")?.to_owned();
    let id = op.params.text("id").map_or_else(|| op.state.id("prod"), str::to_owned);
    let mut body = product(id, &name, op.now);
    body["metadata"] = op.metadata().into();
    body["description"] = op.optional("description");
    let body = op.state.add(body);
    op.state.emit(op.now, "product.created", &body, None);
    Ok(body)
}

fn create_price(op: &mut Op<'_>) -> Answer {
    op.params.required("currency")?;
    op.params.word("currency", "usd", &["usd"], &["eur", "gbp"])?;
    let cents = op
        .params
        .integer("unit_amount")?
        .ok_or_else(|| Refusal::missing("unit_amount"))?;
    if op.params.text("recurring[interval]").is_none() {
        return Err(Refusal::not_modelled("one-time prices"));
    }
    let interval = op
        .params
        .word("recurring[interval]", "month", &["day", "week", "month", "year"], &[])?
        .to_owned();
    let count = op.params.integer("recurring[interval_count]")?.unwrap_or(1);
    let product = match (op.params.text("product"), op.params.text("product_data[name]")) {
        (Some(id), _) => op.state.get("product", id, "product")?.body["id"].clone(),
        (None, Some(name)) => {
            let made = product(op.state.id("prod"), name, op.now);
            op.state.add(made)["id"].clone()
        }
        (None, None) => return Err(Refusal::missing("product")),
    };
    let mut body = price(
        &op.state.id("price"),
        product.as_str().unwrap_or_default(),
        cents,
        (&interval, count),
        op.now,
    );
    body["metadata"] = op.metadata().into();
    body["nickname"] = op.optional("nickname");
    body["lookup_key"] = op.optional("lookup_key");
    let body = op.state.add(body);
    op.state.emit(op.now, "price.created", &body, None);
    Ok(body)
}

fn list_prices(op: &mut Op<'_>) -> Answer {
    let product = op.params.text("product");
    let keys: Vec<_> = op.params.all("lookup_keys[]").collect();
    op.page("price", "/v1/prices", |p| {
        product.is_none_or(|id| p["product"] == id) && (keys.is_empty() || keys.iter().any(|k| p["lookup_key"] == *k))
    })
}

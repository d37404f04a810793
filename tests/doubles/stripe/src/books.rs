//! What really moved: the double's own ledger, for tests of money to compare with.

use serde_json::{Map, Value, json};

use crate::state::State;

/// Every charge and refund with the attempt it belongs to, and sums per attempt.
pub fn books(state: &State) -> Value {
    let attempt_of = |subscription: Option<&str>| -> Value {
        let found = subscription.and_then(|id| state.objects.get(id));
        found.map_or(Value::Null, |s| s.body["metadata"]["attempt"].clone())
    };
    let mut by_attempt: Map<String, Value> = Map::new();
    let mut count = |attempt: &Value, field: &str, by: i64| {
        let name = attempt.as_str().unwrap_or("none").to_owned();
        let row = by_attempt.entry(name).or_insert_with(|| {
            json!({ "customers": 0, "charges": 0, "charged": 0, "refunds": 0, "refunded": 0, "live_subscriptions": 0 })
        });
        row[field] = (row[field].as_i64().unwrap_or_default() + by).into();
    };

    for customer in state.list("customer") {
        count(&customer.body["metadata"]["attempt"], "customers", 1);
    }
    let (mut charges, mut charged) = (Vec::new(), 0);
    for charge in state.list("charge").into_iter().rev() {
        let attempt = attempt_of(charge.hidden.subscription.as_deref());
        let cents = charge.body["amount"].as_i64().unwrap_or_default();
        if charge.body["status"] == "succeeded" {
            count(&attempt, "charges", 1);
            count(&attempt, "charged", cents);
            charged += cents;
        }
        charges.push(json!({
            "id": charge.body["id"], "cents": cents, "status": charge.body["status"], "created": charge.body["created"],
            "customer": charge.body["customer"], "subscription": charge.hidden.subscription, "attempt": attempt,
        }));
    }
    let (mut refunds, mut refunded) = (Vec::new(), 0);
    for refund in state.list("refund").into_iter().rev() {
        let charge = refund.body["charge"].as_str().and_then(|id| state.objects.get(id));
        let attempt = attempt_of(charge.and_then(|c| c.hidden.subscription.as_deref()));
        let cents = refund.body["amount"].as_i64().unwrap_or_default();
        count(&attempt, "refunds", 1);
        count(&attempt, "refunded", cents);
        refunded += cents;
        refunds.push(
            json!({ "id": refund.body["id"], "cents": cents, "charge": refund.body["charge"], "attempt": attempt }),
        );
    }
    for subscription in state.list("subscription") {
        if subscription.body["ended_at"].is_null() {
            count(&subscription.body["metadata"]["attempt"], "live_subscriptions", 1);
        }
    }
    json!({ "charges": charges, "refunds": refunds, "charged": charged, "refunded": refunded, "net": charged - refunded, "by_attempt": by_attempt })
}

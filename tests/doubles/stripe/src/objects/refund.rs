//! Refunds: of a charge, up to what was taken.

use serde_json::json;

use super::{Answer, Op, Route, route};
use crate::error::Refusal;

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/refunds",
        "refunds.create",
        &["charge", "payment_intent", "amount", "reason", "metadata[*]"],
        create,
    ),
    route(
        "GET",
        "/v1/refunds",
        "refunds.list",
        &["charge", "payment_intent"],
        list,
    ),
    route("GET", "/v1/refunds/{id}", "refunds.retrieve", &[], |op| {
        Ok(op.named("refund")?.body.clone())
    }),
];

fn create(op: &mut Op<'_>) -> Answer {
    op.params.word(
        "reason",
        "requested_by_customer",
        &["duplicate", "fraudulent", "requested_by_customer"],
        &[],
    )?;
    let charge = match (op.params.text("charge"), op.params.text("payment_intent")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(intent)) => {
            let intent = &op.state.get("payment_intent", intent, "payment_intent")?.body;
            let id = intent["latest_charge"].as_str();
            id.ok_or_else(|| {
                Refusal::state(
                    "charge_not_refundable",
                    "This PaymentIntent has no successful charge to refund.",
                )
            })?
            .to_owned()
        }
        (None, None) => return Err(Refusal::missing("charge")),
    };
    let body = op.state.get("charge", &charge, "charge")?.body.clone();
    let left =
        body["amount_captured"].as_i64().unwrap_or_default() - body["amount_refunded"].as_i64().unwrap_or_default();
    if left == 0 {
        return Err(Refusal::state(
            "charge_already_refunded",
            format!("Charge {charge} has already been refunded."),
        ));
    }
    let amount = op.params.integer("amount")?.unwrap_or(left);
    if !(1..=left).contains(&amount) {
        let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
        return Err(Refusal::invalid("amount_too_large", "amount", message));
    }
    let at = op.state.time_of(
        &op.state.objects[body["customer"].as_str().unwrap_or_default()].body,
        op.now,
    );
    let refund = json!({
        "id": op.state.id("re"), "object": "refund", "amount": amount, "balance_transaction": null, "charge": charge, "created": at,
        "currency": "usd", "metadata": op.metadata(), "payment_intent": body["payment_intent"], "reason": op.optional("reason"),
        "receipt_number": null, "source_transfer_reversal": null, "status": "succeeded", "transfer_reversal": null,
    });
    let refund = op.state.add(refund);
    op.state.emit(at, "refund.created", &refund, None);
    let refunded = body["amount_refunded"].as_i64().unwrap_or_default() + amount;
    op.state.update(
        at,
        &charge,
        "charge.refunded",
        json!({ "amount_refunded": refunded, "refunded": amount == left }),
    );
    Ok(refund)
}

fn list(op: &mut Op<'_>) -> Answer {
    let (charge, intent) = (op.params.text("charge"), op.params.text("payment_intent"));
    op.page("refund", "/v1/refunds", |r| {
        charge.is_none_or(|c| r["charge"] == c) && intent.is_none_or(|i| r["payment_intent"] == i)
    })
}

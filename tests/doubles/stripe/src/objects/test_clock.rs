//! Test clocks: time that stands still until it is advanced, for the customers made with it.

use serde_json::json;

use super::{Answer, Op, Route, route};
use crate::error::Refusal;

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/test_helpers/test_clocks",
        "test_clocks.create",
        &["frozen_time", "name"],
        create,
    ),
    route("GET", "/v1/test_helpers/test_clocks", "test_clocks.list", &[], |op| {
        op.page("test_helpers.test_clock", "/v1/test_helpers/test_clocks", |_| true)
    }),
    route(
        "GET",
        "/v1/test_helpers/test_clocks/{id}",
        "test_clocks.retrieve",
        &[],
        |op| Ok(op.named("test_helpers.test_clock")?.body.clone()),
    ),
    route(
        "POST",
        "/v1/test_helpers/test_clocks/{id}/advance",
        "test_clocks.advance",
        &["frozen_time"],
        advance,
    ),
];

/// Two months of the longest kind: Stripe refuses to go further at once.
const FURTHEST: i64 = 62 * 24 * 3600;

fn create(op: &mut Op<'_>) -> Answer {
    let frozen = op
        .params
        .integer("frozen_time")?
        .ok_or_else(|| Refusal::missing("frozen_time"))?;
    let body = json!({
        "id": op.state.id("clock"), "object": "test_helpers.test_clock", "created": op.now, "deletes_after": op.now + 30 * 24 * 3600,
        "frozen_time": frozen, "livemode": false, "name": op.optional("name"), "status": "ready", "status_details": {},
    });
    Ok(op.state.add(body))
}

/// Answers `advancing`; the due work is done, and the clock `ready`, by the next time anybody asks.
fn advance(op: &mut Op<'_>) -> Answer {
    let body = op.named("test_helpers.test_clock")?.body.clone();
    let to = op
        .params
        .integer("frozen_time")?
        .ok_or_else(|| Refusal::missing("frozen_time"))?;
    let from = body["frozen_time"].as_i64().unwrap_or_default();
    if to <= from {
        return Err(Refusal::invalid(
            "test_clock_time_invalid",
            "frozen_time",
            "A test clock only goes forward.",
        ));
    }
    if to - from > FURTHEST {
        let message = "You cannot advance a test clock by more than two intervals of its shortest subscription.";
        return Err(Refusal::invalid("test_clock_advance_too_far", "frozen_time", message));
    }
    let body = op.state.set(
        op.path[0],
        json!({
            "frozen_time": to, "status": "advancing", "status_details": { "advancing": { "target_frozen_time": to } },
        }),
    );
    op.state.emit(to, "test_helpers.test_clock.advancing", &body, None);
    Ok(body)
}

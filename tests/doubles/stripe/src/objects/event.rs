//! Events, for those who missed the webhook.

use super::{Answer, Op, Route, route};

pub const ROUTES: &[Route] = &[
    route("GET", "/v1/events", "events.list", &["type", "types[]"], list),
    route("GET", "/v1/events/{id}", "events.retrieve", &[], |op| {
        Ok(op.named("event")?.body.clone())
    }),
];

fn list(op: &mut Op<'_>) -> Answer {
    let types: Vec<_> = op
        .params
        .text("type")
        .into_iter()
        .chain(op.params.all("types[]"))
        .collect();
    op.page("event", "/v1/events", |e| {
        types.is_empty() || types.iter().any(|t| e["type"] == *t)
    })
}

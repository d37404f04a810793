//! Where events are sent, and what they are signed with.

use serde_json::json;

use super::{Answer, Op, Route, route};
use crate::{
    API_VERSION,
    error::Refusal,
    state::{Hidden, State, letters},
};

pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/webhook_endpoints",
        "webhook_endpoints.create",
        &["url", "enabled_events[]", "api_version", "description", "metadata[*]"],
        create,
    ),
    route("GET", "/v1/webhook_endpoints", "webhook_endpoints.list", &[], |op| {
        op.page("webhook_endpoint", "/v1/webhook_endpoints", |_| true)
    }),
    route(
        "GET",
        "/v1/webhook_endpoints/{id}",
        "webhook_endpoints.retrieve",
        &[],
        |op| Ok(op.named("webhook_endpoint")?.body.clone()),
    ),
    route(
        "POST",
        "/v1/webhook_endpoints/{id}",
        "webhook_endpoints.update",
        &["url", "enabled_events[]", "disabled"],
        update,
    ),
    route(
        "DELETE",
        "/v1/webhook_endpoints/{id}",
        "webhook_endpoints.delete",
        &[],
        delete,
    ),
];

/// The endpoint that the command line names: made at each start, since its address may differ.
pub fn ensure(state: &mut State, url: &str, secret: &str, at: i64) {
    const ID: &str = "we_commandline";
    let body = json!({
        "id": ID, "object": "webhook_endpoint", "api_version": API_VERSION, "application": null, "created": at, "description": null,
        "enabled_events": ["*"], "livemode": false, "metadata": {}, "status": "enabled", "url": url,
    });
    state.add_with(
        body,
        Hidden {
            secrets: vec![secret.into()],
            ..Hidden::default()
        },
    );
}

fn create(op: &mut Op<'_>) -> Answer {
    let url = op.params.required("url")?.to_owned();
    let events: Vec<_> = op.params.all("enabled_events[]").map(str::to_owned).collect();
    if events.is_empty() {
        return Err(Refusal::missing("enabled_events"));
    }
    let version = op.params.text("api_version").unwrap_or(API_VERSION);
    if version != API_VERSION {
        return Err(Refusal::not_modelled(&format!("API version {version}")));
    }
    let body = json!({
        "id": op.state.id("we"), "object": "webhook_endpoint", "api_version": version, "application": null, "created": op.now,
        "description": op.optional("description"), "enabled_events": events, "livemode": false, "metadata": op.metadata(),
        "status": "enabled", "url": url,
    });
    let secret = format!("whsec_{}", letters::<32>());
    let mut body = op.state.add_with(
        body,
        Hidden {
            secrets: vec![secret.clone()],
            ..Hidden::default()
        },
    );
    body["secret"] = secret.into();
    Ok(body)
}

fn update(op: &mut Op<'_>) -> Answer {
    op.named("webhook_endpoint")?;
    let mut fields = json!({});
    if let Some(url) = op.params.text("url") {
        fields["url"] = url.into();
    }
    if op.params.has("enabled_events[]") {
        fields["enabled_events"] = op.params.all("enabled_events[]").collect();
    }
    if let Some(disabled) = op.params.boolean("disabled")? {
        fields["status"] = if disabled { "disabled" } else { "enabled" }.into();
    }
    Ok(op.state.set(op.path[0], fields))
}

fn delete(op: &mut Op<'_>) -> Answer {
    op.named("webhook_endpoint")?;
    op.state.objects.remove(op.path[0]);
    Ok(json!({ "id": op.path[0], "object": "webhook_endpoint", "deleted": true }))
}

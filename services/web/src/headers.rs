//! What every answer tells the browser to refuse, and which forms we refuse ourselves.

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{Web, WebConfig};

/// The headers of every answer.
#[derive(Clone)]
pub(crate) struct Headers {
    policy: HeaderValue,
}

impl Headers {
    pub(crate) fn of(config: &WebConfig) -> Self {
        // A browser holds the redirect that follows a form to `form-action` too.
        let forms: String = config
            .checkout_origins
            .iter()
            .map(|origin| format!(" {origin}"))
            .collect();
        let policy = format!(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; frame-src 'self'; \
             form-action 'self'{forms}; base-uri 'none'; frame-ancestors 'none'"
        );
        let strictest = HeaderValue::from_static("default-src 'none'");
        Self {
            policy: HeaderValue::try_from(policy).unwrap_or(strictest),
        }
    }
}

/// Adds them, except where a page set its own.
pub(crate) async fn add(State(headers): State<Headers>, mut answer: Response) -> Response {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    let map = answer.headers_mut();
    for (name, value) in fixed {
        map.entry(name).or_insert(HeaderValue::from_static(value));
    }
    map.entry(header::CONTENT_SECURITY_POLICY).or_insert(headers.policy);
    answer
}

/// Whether a form was sent from a page of ours. `no-referrer` makes browsers send `Origin: null` with our own
/// forms, so what decides is `Sec-Fetch-Site`, where there is one.
pub(crate) fn is_own_form(web: &Web, asked: &HeaderMap) -> bool {
    let text = |name: &str| asked.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin == "null" || origin == web.config.public_url.origin().ascii_serialization(),
        (None, None) => true,
    }
}

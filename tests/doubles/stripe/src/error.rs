//! Stripe's error envelope: every refusal, on every path, has this form.

use serde_json::{Map, Value, json};

/// A refusal: its status and what stands in `error`.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    pub error: Map<String, Value>,
    /// Whether the request was executed, so that its idempotency key keeps this answer.
    pub executed: bool,
}

impl Refusal {
    fn of(status: u16, kind: &str, code: Option<&str>, message: String) -> Self {
        let mut error = Map::new();
        error.insert("type".into(), kind.into());
        error.insert("message".into(), message.into());
        if let Some(code) = code {
            error.insert("code".into(), code.into());
            error.insert(
                "doc_url".into(),
                format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")).into(),
            );
        }
        Self {
            status,
            error,
            executed: true,
        }
    }

    /// 400: the request breaks a rule; its key does not keep the answer.
    pub fn invalid(code: &str, param: &str, message: impl Into<String>) -> Self {
        let refusal = Self::of(400, "invalid_request_error", Some(code), message.into());
        Self {
            executed: false,
            ..refusal.with("param", param)
        }
    }

    /// 400: a parameter that must be there is not.
    pub fn missing(param: &str) -> Self {
        Self::invalid("parameter_missing", param, format!("Missing required param: {param}."))
    }

    /// 404: no object of that id (400 when a parameter names it).
    pub fn no_such(kind: &str, id: &str, param: &str) -> Self {
        let status = if param == "id" { 404 } else { 400 };
        Self::of(
            status,
            "invalid_request_error",
            Some("resource_missing"),
            format!("No such {kind}: '{id}'"),
        )
        .with("param", param)
    }

    /// 400: the object is in a state that does not allow this.
    pub fn state(code: &str, message: impl Into<String>) -> Self {
        Self::of(400, "invalid_request_error", Some(code), message.into())
    }

    /// 401: no key, or none of ours.
    pub fn unauthorized() -> Self {
        let message = "Invalid API Key provided. Use a secret test key: sk_test_…";
        Self {
            executed: false,
            ..Self::of(401, "invalid_request_error", None, message.into())
        }
    }

    /// 402: the card says no.
    pub fn declined(code: &str, decline_code: Option<&str>, message: &str) -> Self {
        let refusal = Self::of(402, "card_error", Some(code), message.into());
        match decline_code {
            Some(reason) => refusal.with("decline_code", reason),
            None => refusal,
        }
    }

    /// 404: no such path.
    pub fn no_route(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self {
            executed: false,
            ..Self::of(404, "invalid_request_error", None, message)
        }
    }

    /// 501: Stripe has this, the double does not.
    pub fn not_modelled(what: &str) -> Self {
        tracing::warn!(what, "not modelled by this double");
        let message = format!("stripe-double does not model {what}.");
        Self {
            executed: false,
            ..Self::of(501, "api_error", None, message)
        }
    }

    /// 409 and 400: misuse of an idempotency key.
    pub fn idempotency(status: u16, message: &str) -> Self {
        let code = (status == 409).then_some("idempotency_key_in_use");
        Self {
            executed: false,
            ..Self::of(status, "idempotency_error", code, message.into())
        }
    }

    /// An injected failure.
    pub fn fault(status: u16) -> Self {
        let (kind, code) = match status {
            429 => ("invalid_request_error", Some("rate_limit")),
            _ => ("api_error", None),
        };
        Self {
            executed: false,
            ..Self::of(status, kind, code, "A fault that a test asked for.".into())
        }
    }

    /// The same refusal with one more field.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.error.insert(field.into(), value.into());
        self
    }

    /// The body.
    pub fn body(&self) -> Value {
        json!({ "error": self.error })
    }
}

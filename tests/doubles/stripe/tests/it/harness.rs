//! A double of the test's own, and a plain HTTP client for it.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use micro_clock::TestClock;
use serde_json::Value;
use stripe_double::{Double, Options};

/// What came back.
pub struct Reply {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Reply {
    /// A header's text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The body of an answer that must be a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// Status and `error.code` of a refusal.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or_default())
    }

    /// An id in the body.
    #[track_caller]
    pub fn id(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body["id"].as_str().expect("an id").to_owned()
    }
}

/// A running double with a clock that stands still.
pub struct TestDouble {
    pub double: Double,
    pub clock: TestClock,
}

/// 2026-01-01T00:00:00Z, where the clock starts.
pub const START: i64 = 1_767_225_600;

impl TestDouble {
    pub async fn start() -> Self {
        Self::with(|options| options).await
    }

    pub async fn with(change: impl FnOnce(Options) -> Options) -> Self {
        let clock = TestClock::default();
        let options = Options {
            price: Some("price_micro".into()),
            retry_milliseconds: 5,
            ..Options::new(Arc::new(clock.clone()))
        };
        Self {
            double: Double::start(change(options)).await.expect("starts"),
            clock,
        }
    }

    /// One request with these headers.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.double.url())
        };
        let mut request = axum::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let response = client
            .request(request.body(Body::from(body.to_owned())).expect("a request"))
            .await
            .expect("an answer");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let body = serde_json::from_str(&text).unwrap_or_default();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            text,
            body,
        }
    }

    /// A call of Stripe's API with the secret key.
    pub async fn call(&self, method: &str, path: &str, form: &str) -> Reply {
        self.send(
            method,
            path,
            &[("authorization", "Bearer sk_test_x"), ("content-type", FORM)],
            form,
        )
        .await
    }

    pub async fn post(&self, path: &str, form: &str) -> Reply {
        self.call("POST", path, form).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "").await
    }

    /// A POST with an idempotency key.
    pub async fn keyed(&self, key: &str, path: &str, form: &str) -> Reply {
        let headers = [
            ("authorization", "Bearer sk_test_x"),
            ("content-type", FORM),
            ("idempotency-key", key),
        ];
        self.send("POST", path, &headers, form).await
    }

    /// A call of the tests' own door.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Reply {
        self.send(
            method,
            &format!("/_double/{path}"),
            &[("content-type", "application/json")],
            &body.to_string(),
        )
        .await
    }

    /// A form sent from a page.
    pub async fn submit(&self, path: &str, form: &str) -> Reply {
        self.send("POST", path, &[("content-type", FORM)], form).await
    }

    /// A customer with this card attached, and the payment method's id.
    pub async fn customer_with(&self, card: &str, extra: &str) -> (String, String) {
        let customer = self
            .post(
                "/v1/customers",
                &format!("email=ada@example.com&metadata[attempt]=a1{extra}"),
            )
            .await
            .id();
        let method = self
            .post(
                &format!("/v1/payment_methods/{card}/attach"),
                &format!("customer={customer}"),
            )
            .await
            .id();
        (customer, method)
    }

    /// Asks the tests' own door until its answer is as wanted, for ten seconds at most.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) {
        let ask = async {
            while !wanted(&self.admin("GET", path, Value::Null).await.ok()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), ask)
            .await
            .expect("it never came about");
    }

    /// The types of all events, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let body = self.get("/v1/events?limit=100").await.ok();
        let mut types: Vec<_> = body["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|e| e["type"].as_str().expect("a type").to_owned())
            .collect();
        types.reverse();
        types
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

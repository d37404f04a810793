//! A double of the test's own, the adapter over it, and a browser's hands.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use micro_clock::{Ids, TestClock};
use micro_domain::{AttemptId, Email, Plan};
use micro_payments::{
    CardId, Customer, Key, NewCustomer, NewSubscription, Payments as _, PaymentsError, StripeConfig, StripePayments,
    Subscription,
};
use stripe_double::{Double, Options};

pub struct Shop {
    pub double: Double,
    pub payments: StripePayments,
    pub clock: TestClock,
    pub attempt: AttemptId,
    pub email: Email,
}

pub fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

impl Shop {
    pub async fn open() -> Self {
        Self::with(None).await
    }

    /// With a webhook endpoint for the double to call.
    pub async fn with(webhook: Option<String>) -> Self {
        let clock = TestClock::default();
        let options = Options {
            price: Some("price_micro".into()),
            webhook: webhook.map(|url| (url, "whsec_it".into())),
            ..Options::new(Arc::new(clock.clone()))
        };
        let double = Double::start(options).await.expect("starts");
        let payments = StripePayments::new(&config(double.url())).expect("valid");
        let email = Email::parse("ada@example.com").expect("valid");
        Self {
            double,
            payments,
            clock,
            attempt: AttemptId::new(Ids.random()),
            email,
        }
    }

    pub async fn customer(&self) -> Customer {
        let wanted = NewCustomer {
            attempt: self.attempt,
            email: &self.email,
        };
        self.payments
            .create_customer(&key("customer"), &wanted)
            .await
            .expect("made")
    }

    pub async fn subscribe(&self, by: &str, customer: &Customer, card: &str) -> Result<Subscription, PaymentsError> {
        let card = CardId::new(card);
        let wanted = NewSubscription {
            attempt: self.attempt,
            namespace: "amber-otter-drift",
            customer: &customer.id,
            card: &card,
            plan: Plan::Developer,
        };
        self.payments.subscribe(&key(by), &wanted).await
    }

    /// A stored card: attaching a test name makes a payment method of its own, so it is made before.
    pub async fn card(&self, token: &str) -> String {
        let (_, body) = self
            .send("POST", "/v1/payment_methods", &format!("type=card&card[token]={token}"))
            .await;
        body["id"].as_str().expect("an id").to_owned()
    }

    /// The next call of an operation fails in this way.
    pub async fn order(&self, operation: &str, kind: &str) {
        let order = serde_json::json!({ "operation": operation, "kind": kind });
        let (status, _) = self.send("POST", "/_double/faults", &order.to_string()).await;
        assert_eq!(status, 204);
    }

    pub async fn books(&self) -> serde_json::Value {
        let (_, books) = self.send("GET", "/_double/books", "").await;
        books["by_attempt"][self.attempt.to_string()].clone()
    }

    /// One plain request; the body as JSON if it is.
    pub async fn send(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.double.url())
        };
        let content = if body.starts_with('{') {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        let request = axum::http::Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", "Bearer sk_test_it")
            .header("content-type", content)
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.expect("an answer").into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        (head.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

pub fn config(url: &str) -> StripeConfig {
    StripeConfig {
        api_base: Some(url.parse().expect("an address")),
        publishable_key: Some("pk_test_it".into()),
        timeout: Duration::from_millis(1_000),
        ..StripeConfig::new("sk_test_it".into(), "whsec_it".into(), "price_micro")
    }
}

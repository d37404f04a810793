//! Billing as boot assembles it: database, Stripe client, double, webhooks, worker; and what a test asks of it.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use micro_billing::{Billing, Ports};
use micro_clock::{Ids, TestClock};
use micro_domain::{AttemptId, NamespaceId};
use micro_error::Error;
use micro_payments::{StripeConfig, StripePayments};
use micro_proto::billing::{Billing as _, RefundRequest, SubscribeRequest, SubscribeResponse};
use micro_storage::{Db, jobs::Worker};
use micro_tenancy::{Caller, SystemTask};
use micro_testkit::{TestDb, authority};
use serde_json::{Value, json};
use stripe_double::{Double, Options};

pub struct Shop {
    pub test: TestDb,
    pub double: Double,
    pub billing: Billing,
    pub clock: TestClock,
    pub webhook: String,
    worker: Worker,
}

/// One person's attempt, and the namespace it is to pay for.
#[derive(Clone, Copy)]
pub struct Buyer {
    pub attempt: AttemptId,
    pub namespace: NamespaceId,
}

pub const EMAIL: &str = "ada@example.com";

impl Buyer {
    pub fn new() -> Self {
        Self {
            attempt: AttemptId::new(Ids.random()),
            namespace: NamespaceId::new(Ids.random()),
        }
    }
}

/// The real client of a double at this address.
pub fn stripe(url: &str) -> Arc<StripePayments> {
    let config = StripeConfig {
        api_base: Some(url.parse().expect("an address")),
        timeout: Duration::from_secs(1),
        ..StripeConfig::new("sk_test_it".into(), "whsec_it".into(), "price_micro")
    };
    Arc::new(StripePayments::new(&config).expect("valid"))
}

/// What a buyer's subscription is asked for with.
pub fn wanted(buyer: Buyer, card: &str, number: u32) -> SubscribeRequest {
    SubscribeRequest {
        attempt: buyer.attempt.to_string(),
        email: EMAIL.into(),
        payment_method: card.into(),
        r#try: number,
        namespace: buyer.namespace.to_string(),
    }
}

pub fn caller() -> Caller {
    authority().system(SystemTask::Signup)
}

impl Shop {
    pub async fn open() -> Self {
        let test = TestDb::new().await;
        let db = test.db().await;
        Self::over(test, db, true).await
    }

    /// Where no webhook ever arrives.
    pub async fn without_webhooks() -> Self {
        let test = TestDb::new().await;
        let db = test.db().await;
        Self::over(test, db, false).await
    }

    pub async fn over(test: TestDb, db: Db, webhooks: bool) -> Self {
        let clock = TestClock::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let webhook = format!("http://{}/webhooks/stripe", listener.local_addr().expect("bound"));
        let options = Options {
            price: Some("price_micro".into()),
            webhook: webhooks.then(|| (webhook.clone(), "whsec_it".to_owned())),
            retry_milliseconds: 5,
            ..Options::new(Arc::new(clock.clone()))
        };
        let double = Double::start(options).await.expect("starts");
        let clock_port = Arc::new(clock.clone());
        let billing = Billing::new(Ports {
            db: db.clone(),
            payments: Some(stripe(double.url())),
            clock: clock_port.clone(),
        });
        let worker = billing.on_jobs(Worker::new(&db, authority(), clock_port));
        let router = axum::Router::new().route("/webhooks/stripe", billing.webhooks());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            test,
            double,
            billing,
            clock,
            webhook,
            worker,
        }
    }

    pub async fn subscribe(&self, buyer: Buyer, card: &str, number: u32) -> Result<SubscribeResponse, Error> {
        self.billing.subscribe(&caller(), wanted(buyer, card, number)).await
    }

    pub async fn refund(&self, buyer: Buyer) -> Result<i64, Error> {
        let request = RefundRequest {
            attempt: buyer.attempt.to_string(),
            reason: "a test".into(),
        };
        Ok(self.billing.refund(&caller(), request).await?.cents)
    }

    /// A stored card.
    pub async fn card(&self, token: &str) -> String {
        let (_, body) = self
            .send("POST", "/v1/payment_methods", &format!("type=card&card[token]={token}"))
            .await;
        body["id"].as_str().expect("an id").to_owned()
    }

    /// The next calls of an operation fail in this way.
    pub async fn order(&self, operation: &str, kind: &str, times: u32) {
        let order = json!({ "operation": operation, "kind": kind, "times": times });
        assert_eq!(self.send("POST", "/_double/faults", &order.to_string()).await.0, 204);
    }

    /// Every webhook has arrived and every job that is due is done.
    pub async fn settle(&self) {
        let all = async {
            loop {
                let (_, webhooks) = self.send("GET", "/_double/webhooks", "").await;
                let quiet = webhooks["pending"] == 0 || webhooks["mode"]["hold"] == true;
                if self.worker.drain().await.expect("a database") == 0 && quiet {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .expect("it settles");
    }

    /// What the double has of one attempt.
    pub async fn books(&self, buyer: Buyer) -> Value {
        let (_, books) = self.send("GET", "/_double/books", "").await;
        books["by_attempt"][buyer.attempt.to_string()].clone()
    }

    /// Our ledger is the double's books, to the cent, and in balance.
    pub async fn assert_books_agree(&self) {
        let (_, books) = self.send("GET", "/_double/books", "").await;
        let sum =
            |account: &str| format!("select coalesce(sum(cents), 0) from ledger_entries where account = '{account}'");
        let ours = [
            self.ask(&sum("provider")).await,
            self.ask(&sum("revenue")).await,
            self.ask(&sum("refunds")).await,
        ];
        let theirs = ["net", "charged", "refunded"].map(|field| books[field].as_i64().expect("cents"));
        assert_eq!(
            ours,
            [theirs[0], -theirs[1], theirs[2]].map(|cents| cents.to_string()),
            "{books}"
        );
        assert_eq!(
            self.ask(
                "select count(*) from (select source from ledger_entries group by source having sum(cents) <> 0) s"
            )
            .await,
            "0"
        );
        let per_attempt = self
            .test
            .ask_superuser("select attempt_id || ' ' || sum(cents) from ledger_entries where account = 'provider' group by attempt_id")
            .await;
        for line in per_attempt {
            let (attempt, cents) = line.split_once(' ').expect("two columns");
            let there = &books["by_attempt"][attempt];
            let net = there["charged"].as_i64().expect("cents") - there["refunded"].as_i64().expect("cents");
            assert_eq!(cents, net.to_string(), "{attempt}");
        }
    }

    /// The first column of the only row.
    pub async fn ask(&self, query: &str) -> String {
        self.test
            .ask_superuser(query)
            .await
            .into_iter()
            .next()
            .unwrap_or_default()
    }

    /// One plain request of the double; the body as JSON if it is.
    pub async fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let content = if body.starts_with('{') {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        self.send_with(
            method,
            path,
            &[("authorization", "Bearer sk_test_it"), ("content-type", content)],
            body,
        )
        .await
    }

    pub async fn send_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.double.url())
        };
        let mut request = axum::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.expect("an answer").into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        (head.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

/// Kind and id of a refusal.
pub fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (u16, String) {
    let error = outcome.expect_err("a refusal");
    (error.kind().status(), error.id().to_owned())
}

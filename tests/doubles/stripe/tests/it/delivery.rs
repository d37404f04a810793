//! Point 10: webhooks, signed, repeated, disturbed.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;

use crate::harness::{START, TestDouble};

/// An endpoint that takes what it is sent, after refusing the first few.
struct Endpoint {
    url: String,
    letters: mpsc::UnboundedReceiver<(String, String)>,
}

type Inbox = (mpsc::UnboundedSender<(String, String)>, Arc<Mutex<u32>>);

impl Endpoint {
    async fn refusing(first: u32) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let (sender, letters) = mpsc::unbounded_channel();
        let app = Router::new()
            .route("/hook", post(take))
            .with_state((sender, Arc::new(Mutex::new(first))));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, letters }
    }

    async fn next(&mut self) -> (String, Value) {
        let (signature, body) = self.letters.recv().await.expect("a letter");
        (signature, serde_json::from_str(&body).expect("JSON"))
    }
}

async fn take(State((inbox, refuse)): State<Inbox>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().expect("text").to_owned();
    inbox.send((signature, body)).expect("the test listens");
    let mut left = refuse.lock().expect("no panic");
    if *left > 0 {
        *left -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    StatusCode::OK
}

async fn double_with(endpoint: &Endpoint) -> TestDouble {
    let webhook = Some((endpoint.url.clone(), "whsec_one".to_owned()));
    TestDouble::with(|options| stripe_double::Options { webhook, ..options }).await
}

#[tokio::test]
async fn an_event_is_signed_over_its_time_and_body() {
    let mut endpoint = Endpoint::refusing(0).await;
    let stripe = double_with(&endpoint).await;
    let customer = stripe.post("/v1/customers", "email=a%40b.de").await.id();
    let (signature, body) = endpoint.letters.recv().await.expect("a letter");
    let (time, given) = signature.split_once(",v1=").expect("t and v1");
    assert_eq!(time, format!("t={START}"));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec_one").expect("any length");
    mac.update(format!("{START}.{body}").as_bytes());
    assert_eq!(given, hex::encode(mac.finalize().into_bytes()));
    let event: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (&event["type"], &event["data"]["object"]["id"]),
        (&"customer.created".into(), &customer.as_str().into())
    );
    assert_eq!(
        (&event["api_version"], &event["livemode"], &event["pending_webhooks"]),
        (&stripe_double::API_VERSION.into(), &false.into(), &1.into())
    );
}

#[tokio::test]
async fn an_event_is_sent_again_until_it_is_taken() {
    let mut endpoint = Endpoint::refusing(2).await;
    let stripe = double_with(&endpoint).await;
    stripe.post("/v1/customers", "").await.ok();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(endpoint.next().await.1["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]));
    stripe.until("webhooks", |w| w["delivered"] == 1).await;
    let read = stripe
        .get(&format!("/v1/events/{}", ids[0].as_str().expect("id")))
        .await
        .ok();
    assert_eq!(read["pending_webhooks"], 0);
}

#[tokio::test]
async fn events_come_backwards_and_twice_on_demand() {
    let mut endpoint = Endpoint::refusing(0).await;
    let stripe = double_with(&endpoint).await;
    stripe.admin("POST", "webhooks", json!({ "hold": true })).await;
    for n in 0..3 {
        stripe.post("/v1/customers", &format!("name=c{n}")).await.ok();
    }
    assert_eq!(stripe.admin("GET", "webhooks", json!(null)).await.ok()["pending"], 3);
    stripe
        .admin("POST", "webhooks", json!({ "reverse": true, "duplicates": 1 }))
        .await;
    let mut names = Vec::new();
    for _ in 0..6 {
        names.push(
            endpoint.next().await.1["data"]["object"]["name"]
                .as_str()
                .expect("a name")
                .to_owned(),
        );
    }
    assert_eq!(names, ["c2", "c2", "c1", "c1", "c0", "c0"]);
}

#[tokio::test]
async fn an_event_can_be_resent_and_both_secrets_sign_during_a_roll() {
    let mut endpoint = Endpoint::refusing(0).await;
    let stripe = double_with(&endpoint).await;
    stripe.post("/v1/customers", "").await.ok();
    let (_, first) = endpoint.next().await;
    let rolled = stripe
        .admin("POST", "webhooks/roll", json!({ "id": "we_commandline" }))
        .await
        .ok();
    assert!(rolled["secret"].as_str().is_some_and(|s| s.starts_with("whsec_")));
    stripe
        .admin("POST", "webhooks/resend", json!({ "id": first["id"] }))
        .await;
    let (signature, again) = endpoint.next().await;
    assert_eq!(again["id"], first["id"]);
    assert_eq!(signature.matches(",v1=").count(), 2);
}

#[tokio::test]
async fn an_endpoint_made_by_the_api_gets_only_what_it_asked_for() {
    let stripe = TestDouble::start().await;
    let mut endpoint = Endpoint::refusing(0).await;
    let form = format!(
        "url={}&enabled_events[]=product.created&api_version={}",
        endpoint.url,
        stripe_double::API_VERSION
    );
    let made = stripe.post("/v1/webhook_endpoints", &form).await.ok();
    assert!(made["secret"].as_str().is_some_and(|s| s.starts_with("whsec_")));
    let read = stripe
        .get(&format!("/v1/webhook_endpoints/{}", made["id"].as_str().expect("id")))
        .await
        .ok();
    assert!(read.get("secret").is_none(), "a secret is shown once");
    stripe.post("/v1/customers", "").await.ok();
    stripe.post("/v1/products", "name=Micro").await.ok();
    assert_eq!(endpoint.next().await.1["type"], "product.created");
}

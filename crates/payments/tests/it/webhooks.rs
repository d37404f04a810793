//! What the double signs, the adapter believes.

use axum::{Router, extract::State, http::HeaderMap, routing::post};
use micro_payments::{Payments as _, WebhookError};
use tokio::sync::mpsc;

use crate::harness::Shop;

type Inbox = mpsc::UnboundedSender<(String, String)>;

async fn take(State(inbox): State<Inbox>, headers: HeaderMap, body: String) {
    let signature = headers["stripe-signature"].to_str().expect("text").to_owned();
    inbox.send((signature, body)).expect("the test listens");
}

#[tokio::test]
async fn a_webhook_is_verified_by_our_own_hand() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    let (sender, mut letters) = mpsc::unbounded_channel();
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/hook", post(take)).with_state(sender)).await },
    );
    let shop = Shop::with(Some(url)).await;
    let customer = shop.customer().await;

    let (signature, body) = letters.recv().await.expect("a letter");
    let now = micro_clock::Clock::now(&shop.clock);
    let event = shop
        .payments
        .verify_webhook(body.as_bytes(), &signature, now)
        .expect("believed");
    assert_eq!(
        (event.kind.as_str(), event.object.as_str(), event.object_id.as_str()),
        ("customer.created", "customer", customer.id.as_str())
    );
    let late = now + time::Duration::minutes(6);
    assert_eq!(
        shop.payments.verify_webhook(body.as_bytes(), &signature, late),
        Err(WebhookError::Stale)
    );
    let forged = body.replace("customer.created", "customer.deleted");
    assert_eq!(
        shop.payments.verify_webhook(forged.as_bytes(), &signature, now),
        Err(WebhookError::BadSignature)
    );
}

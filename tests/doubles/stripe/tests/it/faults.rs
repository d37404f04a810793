//! Point 1, the bad half: replies that are lost, and calls that meet.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::harness::TestDouble;

#[tokio::test]
async fn a_lost_reply_is_replayed_under_its_key() {
    let stripe = Arc::new(TestDouble::start().await);
    stripe
        .admin(
            "POST",
            "faults",
            json!({ "operation": "customers.create", "kind": "drop_after_commit" }),
        )
        .await;
    let call = {
        let stripe = stripe.clone();
        tokio::spawn(async move { stripe.keyed("k1", "/v1/customers", "email=a%40b.de").await })
    };
    assert!(call.await.is_err(), "the body breaks off");
    let list = stripe.get("/v1/customers").await.ok();
    let replayed = stripe.keyed("k1", "/v1/customers", "email=a%40b.de").await;
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    assert_eq!(list["data"][0]["id"], replayed.body["id"]);
}

#[tokio::test]
async fn an_answer_that_never_comes_was_done_all_the_same() {
    let stripe = TestDouble::start().await;
    stripe
        .admin(
            "POST",
            "faults",
            json!({ "operation": "customers.create", "kind": "hang_after_commit" }),
        )
        .await;
    let given_up = tokio::time::timeout(
        Duration::from_millis(200),
        stripe.post("/v1/customers", "email=a%40b.de"),
    )
    .await;
    assert!(given_up.is_err());
    assert_eq!(
        stripe.get("/v1/customers").await.ok()["data"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn errors_on_order_come_and_go() {
    let stripe = TestDouble::start().await;
    for (kind, status, made) in [
        ("server_error", 500, 0),
        ("rate_limit", 429, 0),
        ("server_error_after_commit", 500, 1),
    ] {
        stripe
            .admin(
                "POST",
                "faults",
                json!({ "operation": "customers.create", "kind": kind, "times": 1, "after": 0 }),
            )
            .await;
        let spoiled = stripe.keyed(kind, "/v1/customers", "email=a%40b.de").await;
        assert_eq!(
            (spoiled.status, spoiled.header("stripe-should-retry")),
            (status, "true")
        );
        let count = stripe.get("/v1/customers").await.ok()["data"].as_array().map(Vec::len);
        assert_eq!(count, Some(made), "{kind}");
        let again = stripe.keyed(kind, "/v1/customers", "email=a%40b.de").await;
        assert_eq!(again.status, if made == 1 { 500 } else { 200 }, "{kind}");
        for customer in stripe.get("/v1/customers").await.ok()["data"].as_array().expect("list") {
            stripe
                .call(
                    "DELETE",
                    &format!("/v1/customers/{}", customer["id"].as_str().expect("id")),
                    "",
                )
                .await
                .ok();
        }
    }
    assert_eq!(
        stripe
            .admin("POST", "faults", json!({ "operation": "x", "kind": "nonsense" }))
            .await
            .status,
        422
    );
}

#[tokio::test]
async fn the_same_key_at_the_same_time_is_409() {
    let stripe = Arc::new(TestDouble::start().await);
    stripe
        .admin(
            "POST",
            "faults",
            json!({ "operation": "customers.create", "kind": "stall" }),
        )
        .await;
    let first = {
        let stripe = stripe.clone();
        tokio::spawn(async move { stripe.keyed("k1", "/v1/customers", "email=a%40b.de").await })
    };
    stripe.until("faults", |f| f["stalled"] == 1).await;
    let second = stripe.keyed("k1", "/v1/customers", "email=a%40b.de").await;
    assert_eq!(second.refusal(), (409, "idempotency_key_in_use"));
    stripe.admin("POST", "release", json!(null)).await;
    assert_eq!(first.await.expect("goes on").status, 200);
}

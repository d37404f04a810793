//! Point 1: the transport. Point 12: what is not modelled says so.

use crate::harness::TestDouble;

#[tokio::test]
async fn a_key_is_needed_and_every_refusal_has_stripes_envelope() {
    let stripe = TestDouble::start().await;
    for (method, path, key, status) in [
        ("GET", "/v1/customers", "", 401),
        ("GET", "/v1/customers", "Bearer sk_live_x", 401),
        ("GET", "/v1/customers", "Bearer pk_test_x", 401),
        ("GET", "/v1/nonsense", "Bearer sk_test_x", 404),
        ("GET", "/nowhere", "Bearer sk_test_x", 404),
        ("PUT", "/v1/customers", "Bearer sk_test_x", 405),
        ("GET", "/v1/disputes", "Bearer sk_test_x", 501),
        ("POST", "/v1/payment_intents", "Bearer sk_test_x", 501),
    ] {
        let reply = stripe.send(method, path, &[("authorization", key)], "").await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(
            reply.body["error"]["type"].is_string() && reply.body["error"]["message"].is_string(),
            "{}",
            reply.text
        );
        assert!(reply.header("request-id").starts_with("req_"));
        assert_eq!(reply.header("stripe-version"), stripe_double::API_VERSION);
        assert!(!reply.header("stripe-should-retry").is_empty());
    }
}

#[tokio::test]
async fn an_unknown_parameter_and_a_missing_object_are_named() {
    let stripe = TestDouble::start().await;
    let unknown = stripe.post("/v1/customers", "emial=a%40b.de").await;
    assert_eq!(
        (unknown.refusal(), &unknown.body["error"]["param"]),
        ((400, "parameter_unknown"), &"emial".into())
    );
    let missing = stripe.get("/v1/customers/cus_none").await;
    assert_eq!(missing.refusal(), (404, "resource_missing"));
    let unmodelled = stripe
        .post(
            "/v1/subscriptions",
            "customer=cus_x&items[0][price]=price_micro&payment_behavior=pending_if_incomplete",
        )
        .await;
    assert_eq!(unmodelled.status, 501);
}

#[tokio::test]
async fn a_key_used_again_replays_the_answer() {
    let stripe = TestDouble::start().await;
    let first = stripe.keyed("k1", "/v1/customers", "email=ada%40example.com").await;
    let again = stripe.keyed("k1", "/v1/customers", "email=ada%40example.com").await;
    assert_eq!(
        (again.status, &again.text, again.header("idempotent-replayed")),
        (200, &first.text, "true")
    );
    assert_eq!(first.header("idempotent-replayed"), "");
    let other = stripe.keyed("k1", "/v1/customers", "email=bob%40example.com").await;
    assert_eq!(
        (other.status, &other.body["error"]["type"]),
        (400, &"idempotency_error".into())
    );
    let list = stripe.get("/v1/customers").await.ok();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_definite_refusal_is_kept_under_its_key_a_malformed_request_is_not() {
    let stripe = TestDouble::start().await;
    let (customer, _) = stripe.customer_with("pm_card_chargeCustomerFail", "").await;
    let method = stripe
        .get(&format!("/v1/customers/{customer}/payment_methods"))
        .await
        .ok()["data"][0]["id"]
        .clone();
    let form = format!(
        "customer={customer}&items[0][price]=price_micro&payment_behavior=error_if_incomplete&default_payment_method={}",
        method.as_str().expect("id")
    );
    assert_eq!(
        stripe.keyed("s1", "/v1/subscriptions", &form).await.refusal(),
        (402, "card_declined")
    );
    let again = stripe.keyed("s1", "/v1/subscriptions", &form).await;
    assert_eq!(
        (again.refusal(), again.header("idempotent-replayed")),
        ((402, "card_declined"), "true")
    );

    assert_eq!(stripe.keyed("s2", "/v1/customers", "emial=x").await.status, 400);
    assert_eq!(
        stripe
            .keyed("s2", "/v1/customers", "email=ada%40example.com")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let stripe = TestDouble::start().await;
    let first = stripe.keyed("k1", "/v1/customers", "email=a%40b.de").await.id();
    stripe.clock.advance(time::Duration::hours(25));
    assert_ne!(stripe.keyed("k1", "/v1/customers", "email=a%40b.de").await.id(), first);
}

#[tokio::test]
async fn lists_have_cursors_and_ids_expand() {
    let stripe = TestDouble::start().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(
            stripe
                .post("/v1/customers", &format!("email=c{n}%40example.com"))
                .await
                .id(),
        );
    }
    ids.reverse();
    let first = stripe.get("/v1/customers?limit=2").await.ok();
    let page = |body: &serde_json::Value| -> Vec<String> {
        body["data"]
            .as_array()
            .expect("data")
            .iter()
            .map(|c| c["id"].as_str().expect("id").to_owned())
            .collect()
    };
    assert_eq!((page(&first), &first["has_more"]), (ids[..2].to_vec(), &true.into()));
    let second = stripe
        .get(&format!("/v1/customers?limit=3&starting_after={}", ids[1]))
        .await
        .ok();
    assert_eq!((page(&second), &second["has_more"]), (ids[2..].to_vec(), &false.into()));
    let back = stripe
        .get(&format!("/v1/customers?limit=1&ending_before={}", ids[2]))
        .await
        .ok();
    assert_eq!((page(&back), &back["has_more"]), (vec![ids[1].clone()], &true.into()));
    assert_eq!(
        page(&stripe.get("/v1/customers?email=c3%40example.com").await.ok()),
        [ids[1].clone()]
    );

    let (customer, method) = stripe.customer_with("pm_card_visa", "").await;
    let expanded = stripe
        .get(&format!("/v1/payment_methods/{method}?expand[]=customer"))
        .await
        .ok();
    assert_eq!(expanded["customer"]["id"], customer.as_str());
    let refused = stripe
        .get(&format!("/v1/payment_methods/{method}?expand[]=nonsense"))
        .await;
    assert_eq!(refused.status, 400);
}

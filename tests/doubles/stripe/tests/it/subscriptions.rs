//! Point 7: creation and the first invoice. Point 11: the events of a flow. Refunds and endings.

use serde_json::json;

use crate::harness::{START, TestDouble};

fn form(customer: &str, method: &str, behaviour: &str) -> String {
    format!(
        "customer={customer}&items[0][price]=price_micro&items[0][quantity]=1&default_payment_method={method}&payment_behavior={behaviour}&metadata[attempt]=a1"
    )
}

#[tokio::test]
async fn a_good_card_buys_a_month() {
    let stripe = TestDouble::start().await;
    let (customer, method) = stripe.customer_with("pm_card_visa", "").await;
    let before = stripe.events().await.len();
    let created = stripe
        .post(
            "/v1/subscriptions?expand[]=latest_invoice.payments",
            &form(&customer, &method, "error_if_incomplete"),
        )
        .await
        .ok();
    assert_eq!(
        (&created["status"], &created["metadata"]["attempt"]),
        (&"active".into(), &"a1".into())
    );
    let item = &created["items"]["data"][0];
    assert_eq!(item["current_period_start"], START);
    assert_eq!(item["current_period_end"], START + 31 * 86_400);
    assert_eq!(
        (&item["plan"]["amount"], &item["price"]["unit_amount"]),
        (&3500.into(), &3500.into())
    );
    let invoice = &created["latest_invoice"];
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"], &invoice["billing_reason"]),
        (&"paid".into(), &3500.into(), &"subscription_create".into())
    );
    let intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
        .as_str()
        .expect("a payment intent");
    assert_eq!(
        stripe.get(&format!("/v1/payment_intents/{intent}")).await.ok()["amount_received"],
        3500
    );

    let events = stripe.events().await;
    let expected = [
        "payment_intent.created",
        "payment_intent.succeeded",
        "charge.succeeded",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
    ];
    assert_eq!(events[before..], expected);
    let books = stripe.admin("GET", "books", json!(null)).await.ok();
    assert_eq!(
        books["by_attempt"]["a1"],
        json!({ "customers": 1, "charges": 1, "charged": 3500, "refunds": 0, "refunded": 0, "live_subscriptions": 1 })
    );
}

#[tokio::test]
async fn a_refused_charge_with_error_if_incomplete_leaves_no_subscription() {
    let stripe = TestDouble::start().await;
    for (card, code) in [
        ("pm_card_chargeCustomerFail", "card_declined"),
        ("pm_card_authenticationRequired", "authentication_required"),
    ] {
        let (customer, method) = stripe.customer_with(card, "").await;
        let refused = stripe
            .post("/v1/subscriptions", &form(&customer, &method, "error_if_incomplete"))
            .await;
        assert_eq!(refused.refusal(), (402, code));
        let list = stripe
            .get(&format!("/v1/subscriptions?customer={customer}&status=all"))
            .await
            .ok();
        assert_eq!(list["data"], json!([]));
        assert_eq!(
            stripe.get(&format!("/v1/invoices?customer={customer}")).await.ok()["data"],
            json!([])
        );
    }
    let events = stripe.events().await;
    assert!(events.contains(&"charge.failed".into()) && events.contains(&"payment_intent.payment_failed".into()));
    assert!(!events.iter().any(|e| e.starts_with("customer.subscription")));
}

#[tokio::test]
async fn an_incomplete_subscription_is_paid_later_or_expires() {
    let stripe = TestDouble::start().await;
    let (customer, method) = stripe.customer_with("pm_card_visa", "").await;
    let open = stripe
        .post("/v1/subscriptions", &form(&customer, &method, "default_incomplete"))
        .await
        .ok();
    assert_eq!(open["status"], "incomplete");
    let invoice = open["latest_invoice"].as_str().expect("an invoice").to_owned();
    assert_eq!(
        stripe
            .post(
                &format!("/v1/invoices/{invoice}/pay"),
                &format!("payment_method={method}")
            )
            .await
            .ok()["status"],
        "paid"
    );
    let id = open["id"].as_str().expect("id");
    assert_eq!(
        stripe.get(&format!("/v1/subscriptions/{id}")).await.ok()["status"],
        "active"
    );

    let (poor, fails) = stripe.customer_with("pm_card_chargeCustomerFail", "").await;
    let open = stripe
        .post("/v1/subscriptions", &form(&poor, &fails, "allow_incomplete"))
        .await
        .ok();
    assert_eq!(open["status"], "incomplete");
    stripe.clock.advance(time::Duration::hours(23));
    let id = open["id"].as_str().expect("id");
    assert_eq!(
        stripe.get(&format!("/v1/subscriptions/{id}")).await.ok()["status"],
        "incomplete_expired"
    );
}

#[tokio::test]
async fn a_cancelled_and_refunded_subscription_leaves_the_books_even() {
    let stripe = TestDouble::start().await;
    let (customer, method) = stripe.customer_with("pm_card_visa", "").await;
    let made = stripe
        .post(
            "/v1/subscriptions?expand[]=latest_invoice.payments",
            &form(&customer, &method, "error_if_incomplete"),
        )
        .await
        .ok();
    let path = format!("/v1/subscriptions/{}", made["id"].as_str().expect("id"));
    assert_eq!(stripe.call("DELETE", &path, "").await.ok()["status"], "canceled");
    assert_eq!(
        stripe.call("DELETE", &path, "").await.refusal(),
        (404, "resource_missing")
    );
    let intent = made["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"]
        .as_str()
        .expect("intent");
    let refund = format!("payment_intent={intent}&reason=requested_by_customer");
    assert_eq!(
        stripe
            .post("/v1/refunds", &format!("{refund}&amount=9999"))
            .await
            .status,
        400
    );
    assert_eq!(stripe.post("/v1/refunds", &refund).await.ok()["amount"], 3500);
    assert_eq!(
        stripe.post("/v1/refunds", &refund).await.refusal(),
        (400, "charge_already_refunded")
    );
    let books = stripe.admin("GET", "books", json!(null)).await.ok();
    assert_eq!(
        (&books["net"], &books["by_attempt"]["a1"]["live_subscriptions"]),
        (&0.into(), &0.into())
    );
    assert!(stripe.events().await.contains(&"charge.refunded".into()));
}

#[tokio::test]
async fn the_card_must_be_the_customers() {
    let stripe = TestDouble::start().await;
    let (_, method) = stripe.customer_with("pm_card_visa", "").await;
    let stranger = stripe.post("/v1/customers", "").await.id();
    let refused = stripe
        .post("/v1/subscriptions", &form(&stranger, &method, "error_if_incomplete"))
        .await;
    assert_eq!(refused.refusal(), (400, "resource_missing"));
    let bare = stripe
        .post(
            "/v1/subscriptions",
            &format!("customer={stranger}&items[0][price]=price_micro"),
        )
        .await;
    assert_eq!(bare.refusal(), (400, "resource_missing"));
}

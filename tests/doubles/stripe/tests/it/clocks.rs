//! Point 2: time comes from the clock. Point 7: renewal.

use serde_json::json;

use crate::harness::{START, TestDouble};

const MONTH: i64 = 31 * 86_400;

#[tokio::test]
async fn advancing_a_test_clock_renews_for_another_35_dollars() {
    let stripe = TestDouble::start().await;
    let clock = stripe
        .post("/v1/test_helpers/test_clocks", &format!("frozen_time={START}"))
        .await
        .id();
    let (customer, method) = stripe
        .customer_with("pm_card_visa", &format!("&test_clock={clock}"))
        .await;
    let form =
        format!("customer={customer}&items[0][price]=price_micro&default_payment_method={method}&metadata[attempt]=a1");
    let id = stripe.post("/v1/subscriptions", &form).await.id();
    let before = stripe.events().await.len();

    let advance = format!("/v1/test_helpers/test_clocks/{clock}/advance");
    // A renewal's invoice is a draft for an hour.
    let answer = stripe
        .post(&advance, &format!("frozen_time={}", START + MONTH))
        .await
        .ok();
    assert_eq!(answer["status"], "advancing");
    assert_eq!(
        stripe.get(&format!("/v1/test_helpers/test_clocks/{clock}")).await.ok()["status"],
        "ready"
    );
    let draft = stripe
        .get(&format!("/v1/subscriptions/{id}?expand[]=latest_invoice"))
        .await
        .ok();
    assert_eq!(
        (&draft["latest_invoice"]["status"], &draft["latest_invoice"]["created"]),
        (&"draft".into(), &(START + MONTH).into())
    );

    stripe
        .post(&advance, &format!("frozen_time={}", START + MONTH + 3_600))
        .await
        .ok();
    let renewed = stripe
        .get(&format!("/v1/subscriptions/{id}?expand[]=latest_invoice"))
        .await
        .ok();
    assert_eq!(
        (
            &renewed["latest_invoice"]["status"],
            &renewed["latest_invoice"]["amount_paid"]
        ),
        (&"paid".into(), &3500.into())
    );
    assert_eq!(renewed["items"]["data"][0]["current_period_start"], START + MONTH);
    let money: Vec<_> = stripe
        .events()
        .await
        .split_off(before)
        .into_iter()
        .filter(|e| !e.starts_with("test_helpers"))
        .collect();
    let expected = [
        "customer.subscription.updated",
        "invoice.created",
        "payment_intent.created",
        "payment_intent.succeeded",
        "charge.succeeded",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
    ];
    assert_eq!(money, expected);
    assert_eq!(stripe.admin("GET", "books", json!(null)).await.ok()["charged"], 7000);
}

#[tokio::test]
async fn a_test_clock_goes_forward_and_not_too_far() {
    let stripe = TestDouble::start().await;
    let clock = stripe
        .post("/v1/test_helpers/test_clocks", &format!("frozen_time={START}"))
        .await
        .id();
    let advance = format!("/v1/test_helpers/test_clocks/{clock}/advance");
    assert_eq!(
        stripe
            .post(&advance, &format!("frozen_time={}", START - 1))
            .await
            .status,
        400
    );
    assert_eq!(
        stripe
            .post(&advance, &format!("frozen_time={}", START + 100 * 86_400))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn the_accounts_clock_renews_too_and_a_failing_card_is_past_due() {
    let stripe = TestDouble::start().await;
    let (customer, method) = stripe.customer_with("pm_card_visa", "").await;
    let id = stripe
        .post(
            "/v1/subscriptions",
            &format!("customer={customer}&items[0][price]=price_micro&default_payment_method={method}"),
        )
        .await
        .id();
    let bad = stripe
        .post(
            "/v1/payment_methods/pm_card_chargeCustomerFail/attach",
            &format!("customer={customer}"),
        )
        .await
        .id();
    stripe
        .post(
            &format!("/v1/subscriptions/{id}"),
            &format!("default_payment_method={bad}"),
        )
        .await
        .ok();

    let now = stripe
        .admin("POST", "clock", json!({ "seconds": MONTH + 7_200 }))
        .await
        .ok();
    assert_eq!(now["now"], START + MONTH + 7_200);
    let after = stripe
        .get(&format!("/v1/subscriptions/{id}?expand[]=latest_invoice"))
        .await
        .ok();
    assert_eq!(
        (&after["status"], &after["latest_invoice"]["status"]),
        (&"past_due".into(), &"open".into())
    );
    assert!(stripe.events().await.contains(&"invoice.payment_failed".into()));
    // A working card pays the open invoice.
    let invoice = after["latest_invoice"]["id"].as_str().expect("id");
    stripe
        .post(
            &format!("/v1/invoices/{invoice}/pay"),
            &format!("payment_method={method}"),
        )
        .await
        .ok();
    assert_eq!(
        stripe.get(&format!("/v1/subscriptions/{id}")).await.ok()["status"],
        "active"
    );
}

#[tokio::test]
async fn a_subscription_can_end_with_its_period() {
    let stripe = TestDouble::start().await;
    let (customer, method) = stripe.customer_with("pm_card_visa", "").await;
    let id = stripe
        .post(
            "/v1/subscriptions",
            &format!("customer={customer}&items[0][price]=price_micro&default_payment_method={method}"),
        )
        .await
        .id();
    let set = stripe
        .post(&format!("/v1/subscriptions/{id}"), "cancel_at_period_end=true")
        .await
        .ok();
    assert_eq!(
        (&set["status"], &set["cancel_at"]),
        (&"active".into(), &(START + MONTH).into())
    );
    stripe.clock.advance(time::Duration::seconds(MONTH));
    assert_eq!(
        stripe.get(&format!("/v1/subscriptions/{id}")).await.ok()["status"],
        "canceled"
    );
    assert_eq!(stripe.admin("GET", "books", json!(null)).await.ok()["charged"], 3500);
}

//! What the provider reports: believed only with its signature, kept once, acted on by asking.

use micro_proto::billing::{Billing as _, ReadRequest};
use time::Duration;

use crate::shop::{Buyer, Shop, caller};

async fn status(shop: &Shop, buyer: Buyer) -> String {
    let request = ReadRequest {
        namespace_id: buyer.namespace.to_string(),
    };
    shop.billing.read(&caller(), request).await.expect("there").status
}

/// A life: bought, renewed twice, one refunded; another one's card stops working.
async fn live(shop: &Shop) -> [Buyer; 3] {
    let buyers = [Buyer::new(), Buyer::new(), Buyer::new()];
    for buyer in buyers {
        shop.subscribe(buyer, &shop.card("tok_visa").await, 1)
            .await
            .expect("paid");
    }
    shop.clock.advance(Duration::days(32));
    shop.books(buyers[0]).await;
    let [_, refunded, failing] = buyers;
    shop.refund(refunded).await.expect("given back");
    let (_, customer) = shop.send("GET", "/v1/customers?limit=100", "").await;
    let owner = customer["data"].as_array().expect("a list").iter();
    let owner = owner
        .clone()
        .find(|c| c["metadata"]["attempt"] == failing.attempt.to_string())
        .expect("a customer");
    let bad = shop.card("tok_chargeCustomerFail").await;
    let customer = owner["id"].as_str().expect("an id");
    shop.send(
        "POST",
        &format!("/v1/payment_methods/{bad}/attach"),
        &format!("customer={customer}"),
    )
    .await;
    let (_, list) = shop
        .send("GET", &format!("/v1/subscriptions?customer={customer}"), "")
        .await;
    let id = list["data"][0]["id"].as_str().expect("an id");
    shop.send(
        "POST",
        &format!("/v1/subscriptions/{id}"),
        &format!("default_payment_method={bad}"),
    )
    .await;
    shop.clock.advance(Duration::days(31));
    shop.books(buyers[0]).await;
    buyers
}

async fn assert_life_is_known(shop: &Shop, [paying, refunded, failing]: [Buyer; 3]) {
    shop.assert_books_agree().await;
    assert_eq!(status(shop, paying).await, "active");
    assert_eq!(status(shop, refunded).await, "canceled");
    assert_eq!(status(shop, failing).await, "past_due");
    // 3 × first month, 3 × second, 1 × third (one refunded before, one failing).
    assert_eq!(
        shop.ask("select count(*) from invoices where status = 'paid'").await,
        "7"
    );
    assert_eq!(
        shop.ask("select count(*) from webhook_events where acted_at is null")
            .await,
        "0"
    );
}

#[tokio::test]
async fn in_order_and_once() {
    let shop = Shop::open().await;
    let buyers = live(&shop).await;
    shop.settle().await;
    assert_life_is_known(&shop, buyers).await;
    let there = shop.send("GET", "/_double/webhooks", "").await.1["delivered"].to_string();
    assert_eq!(shop.ask("select count(*) from webhook_events").await, there);
}

#[tokio::test]
async fn backwards_and_three_times() {
    let shop = Shop::open().await;
    shop.send("POST", "/_double/webhooks", r#"{"hold":true}"#).await;
    let buyers = live(&shop).await;
    shop.settle().await;
    shop.send("POST", "/_double/webhooks", r#"{"reverse":true,"duplicates":2}"#)
        .await;
    shop.settle().await;
    assert_life_is_known(&shop, buyers).await;
    assert_eq!(
        shop.ask("select count(*) - count(distinct event_id) from webhook_events")
            .await,
        "0"
    );
}

#[tokio::test]
async fn never_at_all() {
    let shop = Shop::without_webhooks().await;
    let buyers = live(&shop).await;
    // A renewal is looked at two hours after its period began.
    shop.clock.advance(Duration::hours(3));
    shop.settle().await;
    assert_life_is_known(&shop, buyers).await;
    assert_eq!(shop.ask("select count(*) from webhook_events").await, "0");
}

#[tokio::test]
async fn a_stranger_is_not_believed() {
    let shop = Shop::open().await;
    let body = r#"{"id":"evt_x","type":"invoice.paid","created":1767225600,"livemode":false,"data":{"object":{"object":"invoice","id":"in_x"}}}"#;
    for signature in ["", "t=1767225600,v1=00", "nonsense"] {
        let (status, _) = shop
            .send_with("POST", &shop.webhook, &[("stripe-signature", signature)], body)
            .await;
        assert_eq!(status, 400, "{signature}");
    }
    assert_eq!(shop.send_with("POST", &shop.webhook, &[], body).await.0, 400);
    assert_eq!(
        shop.send_with("POST", &shop.webhook, &[], &"x".repeat(600 << 10))
            .await
            .0,
        413
    );
    assert_eq!(shop.ask("select count(*) from webhook_events").await, "0");
}

#[tokio::test]
async fn a_live_event_for_a_test_key_is_refused_and_nothing_is_done() {
    let shop = Shop::open().await;
    let ours = r#"{"id":"evt_a","type":"invoice.paid","created":1767225600,"livemode":false,"data":{"object":{"object":"invoice","id":"in_x"}}}"#;
    let live = ours.replace("false", "true").replace("evt_a", "evt_b");
    // Both computed with Python's hmac over `1767225600.<body>` and the secret `whsec_it`.
    for (body, mac, expected) in [
        (
            ours,
            "76e39ceedb960093336697c180d59c506d20c33fe3e0b63030d74a8a141c663a",
            200,
        ),
        (
            live.as_str(),
            "ebea6c953cefc0d0c065cbd99dad7f974d4cab2f2b3822805a8e68b5c09e1f16",
            400,
        ),
    ] {
        let signature = format!("t=1767225600,v1={mac}");
        let (status, _) = shop
            .send_with("POST", &shop.webhook, &[("stripe-signature", &signature)], body)
            .await;
        assert_eq!(status, expected, "{body}");
    }
    assert_eq!(
        shop.test.ask_superuser("select event_id from webhook_events").await,
        ["evt_a"]
    );
    // It speaks of a bill that the provider does not have: asked, and left at that.
    shop.settle().await;
    assert_eq!(
        shop.ask("select count(*) from jobs where kind like 'billing.%'").await,
        "0"
    );
}

#[tokio::test]
async fn no_address_is_kept_in_billings_tables() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    shop.subscribe(ada, &shop.card("tok_visa").await, 1)
        .await
        .expect("paid");
    shop.refund(ada).await.expect("given back");
    shop.settle().await;
    for table in [
        "customers",
        "payment_keys",
        "subscriptions",
        "invoices",
        "ledger_entries",
        "webhook_events",
        "jobs",
    ] {
        let rows = shop.test.ask_superuser(&format!("select t::text from {table} t")).await;
        assert!(
            !rows.iter().any(|row| row.contains("ada@") || row.contains("4242")),
            "{table}: {rows:?}"
        );
    }
}

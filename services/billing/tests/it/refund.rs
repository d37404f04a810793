//! Money back: once, and nothing more taken.

use serde_json::json;
use time::Duration;

use crate::shop::{Buyer, Shop, refusal};

fn even() -> serde_json::Value {
    json!({ "customers": 1, "charges": 1, "charged": 3500, "refunds": 1, "refunded": 3500, "live_subscriptions": 0 })
}

#[tokio::test]
async fn what_was_taken_is_given_back_once() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let card = shop.card("tok_visa").await;
    shop.subscribe(ada, &card, 1).await.expect("paid");
    for _ in 0..3 {
        assert_eq!(shop.refund(ada).await.expect("given back"), 3_500);
    }
    shop.settle().await;
    assert_eq!(shop.books(ada).await, even());
    shop.assert_books_agree().await;
    assert_eq!(
        shop.ask("select status || ' ' || (ended_at is not null) from subscriptions")
            .await,
        "canceled true"
    );
    assert_eq!(shop.ask("select cents_refunded from invoices").await, "3500");
    assert_eq!(
        refusal(shop.subscribe(ada, &card, 2).await),
        (409, "billing.closed".into())
    );
}

#[tokio::test]
async fn a_lost_reply_is_read_back_not_given_back_twice() {
    for fault in [
        "drop_after_commit",
        "hang_after_commit",
        "server_error_after_commit",
        "server_error",
    ] {
        let (shop, ada) = (Shop::open().await, Buyer::new());
        shop.subscribe(ada, &shop.card("tok_visa").await, 1)
            .await
            .expect("paid");
        shop.order("refunds.create", fault, 1).await;
        shop.order("subscriptions.cancel", fault, 1).await;
        for _ in 0..3 {
            if shop.refund(ada).await.is_ok() {
                break;
            }
        }
        assert_eq!(shop.refund(ada).await.expect("given back"), 3_500);
        shop.settle().await;
        assert_eq!(shop.books(ada).await, even(), "{fault}");
        shop.assert_books_agree().await;
    }
}

#[tokio::test]
async fn nothing_taken_is_nothing_back_and_nothing_taken_later() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    assert_eq!(shop.refund(ada).await.expect("nothing"), 0);
    assert_eq!(
        refusal(shop.subscribe(ada, &shop.card("tok_visa").await, 1).await),
        (409, "billing.closed".into())
    );
    let declined = Buyer::new();
    assert_eq!(
        refusal(
            shop.subscribe(declined, &shop.card("tok_chargeCustomerFail").await, 1)
                .await
        )
        .0,
        402
    );
    assert_eq!(shop.refund(declined).await.expect("nothing"), 0);
    shop.settle().await;
    shop.assert_books_agree().await;
}

#[tokio::test]
async fn a_charge_that_comes_through_after_the_end_is_given_back() {
    for webhooks in [true, false] {
        let shop = if webhooks {
            Shop::open().await
        } else {
            Shop::without_webhooks().await
        };
        let ada = Buyer::new();
        let card = shop.card("tok_visa").await;
        // The request is stuck somewhere: we give up waiting, find nothing, and close the attempt.
        shop.order("subscriptions.create", "stall", 1).await;
        assert_eq!(
            refusal(shop.subscribe(ada, &card, 1).await),
            (503, "billing.unknown".into())
        );
        assert_eq!(shop.refund(ada).await.expect("nothing yet"), 0);
        shop.send("POST", "/_double/release", "").await;
        let charged = async { while shop.books(ada).await["charges"] != 1 {} };
        tokio::time::timeout(std::time::Duration::from_secs(10), charged)
            .await
            .expect("it comes through");
        shop.settle().await;
        shop.clock.advance(Duration::minutes(11));
        shop.settle().await;
        assert_eq!(shop.books(ada).await, even(), "webhooks: {webhooks}");
        shop.assert_books_agree().await;
    }
}

#[tokio::test]
async fn a_reply_lost_before_it_was_written_down_is_refunded_all_the_same() {
    let (shop, ada) = (Shop::without_webhooks().await, Buyer::new());
    let card = shop.card("tok_visa").await;
    shop.order("subscriptions.create", "drop_after_commit", 1).await;
    shop.order("subscriptions.list", "server_error", 1).await;
    assert_eq!(refusal(shop.subscribe(ada, &card, 1).await).0, 503);
    assert_eq!(shop.refund(ada).await.expect("found by its metadata"), 3_500);
    shop.settle().await;
    assert_eq!(shop.books(ada).await, even());
    shop.assert_books_agree().await;
}

#[tokio::test]
async fn a_refund_made_by_hand_at_the_provider_reaches_the_ledger() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    shop.subscribe(ada, &shop.card("tok_visa").await, 1)
        .await
        .expect("paid");
    shop.settle().await;
    let payment = shop.ask("select payment from invoices").await;
    for cents in [1_000, 500] {
        assert_eq!(
            shop.send(
                "POST",
                "/v1/refunds",
                &format!("payment_intent={payment}&amount={cents}")
            )
            .await
            .0,
            200
        );
    }
    shop.settle().await;
    assert_eq!(shop.ask("select cents_refunded from invoices").await, "1500");
    shop.assert_books_agree().await;
}

//! The first charge: once, whatever happens on the way.

use std::sync::Arc;

use micro_proto::billing::{Billing as _, ReadRequest};
use micro_testkit::TestDb;
use serde_json::json;
use time::Duration;

use crate::shop::{Buyer, Shop, caller, refusal};

fn once() -> serde_json::Value {
    json!({ "customers": 1, "charges": 1, "charged": 3500, "refunds": 0, "refunded": 0, "live_subscriptions": 1 })
}

#[tokio::test]
async fn a_month_is_bought_once_and_stands_in_the_ledger() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let card = shop.card("tok_visa").await;
    let bought = shop.subscribe(ada, &card, 1).await.expect("paid");
    assert_eq!(bought.status, "active");
    for number in [1, 1, 2] {
        assert_eq!(shop.subscribe(ada, &card, number).await.expect("the same"), bought);
    }
    shop.settle().await;
    assert_eq!(shop.books(ada).await, once());
    shop.assert_books_agree().await;

    let read = shop
        .billing
        .read(
            &caller(),
            ReadRequest {
                namespace_id: ada.namespace.to_string(),
            },
        )
        .await
        .expect("there");
    assert_eq!(
        (read.subscription, read.customer, read.status.as_str()),
        (bought.subscription, bought.customer, "active")
    );
    assert_eq!(
        (read.cents, read.currency.as_str(), read.period_ends_at),
        (3_500, "usd", 1_767_225_600 + 31 * 86_400)
    );
    let bill = shop
        .ask("select status || ' ' || cents_paid || ' ' || cents_refunded from invoices")
        .await;
    assert_eq!(bill, "paid 3500 0");
}

#[tokio::test]
async fn a_declined_card_ends_its_try_and_the_next_one_pays() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let poor = shop.card("tok_chargeCustomerFail").await;
    let declined = shop.subscribe(ada, &poor, 1).await.expect_err("declined");
    assert_eq!(
        (declined.kind().status(), declined.id(), declined.message()),
        (402, "billing.declined", "Your card was declined.")
    );
    // The same try says the same without asking again.
    shop.order("*", "server_error", 1).await;
    assert_eq!(
        refusal(shop.subscribe(ada, &poor, 1).await),
        (402, "billing.declined".into())
    );
    shop.send("DELETE", "/_double/faults", "").await;

    let good = shop.card("tok_visa").await;
    assert_eq!(
        refusal(shop.subscribe(ada, &good, 1).await),
        (409, "billing.try_used".into())
    );
    assert_eq!(shop.subscribe(ada, &good, 2).await.expect("paid").status, "active");
    shop.settle().await;
    assert_eq!(shop.books(ada).await, once());
    shop.assert_books_agree().await;
    let keys = shop
        .ask("select count(distinct key) || ' ' || count(*) from payment_keys where operation = 'subscribe'")
        .await;
    assert_eq!(keys, "2 2");
}

#[tokio::test]
async fn a_lost_reply_is_read_back_not_charged_again() {
    for fault in ["drop_after_commit", "hang_after_commit", "server_error_after_commit"] {
        let (shop, ada) = (Shop::open().await, Buyer::new());
        let card = shop.card("tok_visa").await;
        for operation in ["customers.create", "subscriptions.create"] {
            shop.order(operation, fault, 1).await;
        }
        let bought = shop.subscribe(ada, &card, 1).await.expect("read back");
        assert_eq!(shop.subscribe(ada, &card, 1).await.expect("known"), bought);
        shop.settle().await;
        assert_eq!(shop.books(ada).await, once(), "{fault}");
        shop.assert_books_agree().await;
    }
}

#[tokio::test]
async fn what_stays_unknown_keeps_its_key() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let card = shop.card("tok_visa").await;
    let key = "select key || ' ' || state from payment_keys where operation = 'subscribe'";
    // The reply is lost, and so is the answer to the question what happened.
    shop.order("subscriptions.create", "drop_after_commit", 1).await;
    shop.order("subscriptions.list", "server_error", 1).await;
    assert_eq!(
        refusal(shop.subscribe(ada, &card, 1).await),
        (503, "billing.unknown".into())
    );
    let stored = shop.ask(key).await;
    assert!(stored.ends_with(" open"), "{stored}");
    shop.subscribe(ada, &card, 1).await.expect("read back");
    assert_eq!(shop.ask(key).await, stored.replace(" open", " done"));
    assert_eq!(shop.books(ada).await, once());

    // Not done at all: the same key is sent again.
    let bob = Buyer::new();
    shop.order("subscriptions.create", "server_error", 1).await;
    assert_eq!(
        refusal(shop.subscribe(bob, &shop.card("tok_visa").await, 1).await).0,
        503
    );
    let key = format!(
        "select key from payment_keys where operation = 'subscribe' and attempt_id = '{}'",
        bob.attempt
    );
    let first = shop.ask(&key).await;
    let card = shop
        .ask(&format!(
            "select subject from payment_keys where operation = 'subscribe' and attempt_id = '{}'",
            bob.attempt
        ))
        .await;
    shop.subscribe(bob, &card, 1).await.expect("paid");
    assert_eq!(shop.ask(&key).await, first);
    assert_eq!(shop.books(bob).await, once());
    shop.settle().await;
    shop.assert_books_agree().await;
}

#[tokio::test]
async fn a_key_that_the_provider_may_have_forgotten_is_replaced() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let card = shop.card("tok_visa").await;
    shop.order("subscriptions.create", "server_error", 1).await;
    assert_eq!(refusal(shop.subscribe(ada, &card, 1).await).0, 503);
    let key = "select key from payment_keys where operation = 'subscribe'";
    let first = shop.ask(key).await;
    shop.clock.advance(Duration::hours(24));
    shop.subscribe(ada, &card, 1).await.expect("paid");
    assert_ne!(shop.ask(key).await, first);
    assert_eq!(shop.books(ada).await, once());
}

#[tokio::test]
async fn another_card_waits_until_the_last_ones_fate_is_known() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let (first, second) = (shop.card("tok_visa").await, shop.card("tok_mastercard").await);
    shop.order("subscriptions.create", "drop_after_commit", 1).await;
    shop.order("subscriptions.list", "server_error", 1).await;
    assert_eq!(refusal(shop.subscribe(ada, &first, 1).await).0, 503);
    // The first card was charged after all: the second is not.
    assert_eq!(
        shop.subscribe(ada, &second, 2).await.expect("the first card's").status,
        "active"
    );
    assert_eq!(shop.books(ada).await, once());

    // Never sent: it is sent again first, and declined, before the next card is tried.
    let bob = Buyer::new();
    let poor = shop.card("tok_chargeCustomerFail").await;
    shop.order("subscriptions.create", "server_error", 1).await;
    assert_eq!(refusal(shop.subscribe(bob, &poor, 1).await).0, 503);
    assert_eq!(shop.subscribe(bob, &second, 2).await.expect("paid").status, "active");
    assert_eq!(shop.books(bob).await, once());
    shop.settle().await;
    shop.assert_books_agree().await;
}

#[tokio::test]
async fn many_at_once_charge_once() {
    let (shop, ada) = (Arc::new(Shop::open().await), Buyer::new());
    let card = shop.card("tok_visa").await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (shop, card) = (shop.clone(), card.clone());
            tokio::spawn(async move { shop.subscribe(ada, &card, 1).await })
        })
        .collect();
    for call in calls {
        match call.await.expect("no panic") {
            Ok(bought) => assert_eq!(bought.status, "active"),
            Err(busy) => assert_eq!(busy.kind().status(), 503, "{busy:?}"),
        }
    }
    shop.subscribe(ada, &card, 1).await.expect("paid by now");
    shop.settle().await;
    assert_eq!(shop.books(ada).await, once());
    shop.assert_books_agree().await;
}

#[tokio::test]
async fn a_namespace_has_one_live_subscription() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let card = shop.card("tok_visa").await;
    shop.subscribe(ada, &card, 1).await.expect("paid");
    let intruder = Buyer {
        namespace: ada.namespace,
        ..Buyer::new()
    };
    let other = shop.card("tok_visa").await;
    assert_eq!(
        refusal(shop.subscribe(intruder, &other, 1).await),
        (409, "billing.already_subscribed".into())
    );
    assert!(
        shop.books(intruder).await.is_null(),
        "nothing was asked of the provider"
    );
}

#[tokio::test]
async fn lost_races_in_the_database_change_nothing() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.1).await;
    let db = proxy.db().await;
    let shop = Shop::over(test, db, true).await;
    for _ in 0..3 {
        let ada = Buyer::new();
        let card = shop.card("tok_visa").await;
        shop.subscribe(ada, &card, 1).await.expect("paid");
        shop.settle().await;
        assert_eq!(shop.books(ada).await, once());
        assert_eq!(shop.refund(ada).await.expect("given back"), 3_500);
    }
    shop.settle().await;
    shop.assert_books_agree().await;
}

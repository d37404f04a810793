//! From a customer to a subscription, and back to nothing.

use micro_domain::{AttemptId, Money};
use micro_payments::{NewRefund, Payments as _, SubscriptionStatus};
use serde_json::json;

use crate::harness::{Shop, key};

#[tokio::test]
async fn a_month_is_bought_and_can_be_read_back() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    assert_eq!(customer.attempt, Some(shop.attempt));
    let made = shop
        .subscribe("s1", &customer, &shop.card("tok_visa").await)
        .await
        .expect("paid");
    assert_eq!(
        (made.status, made.price, made.attempt),
        (SubscriptionStatus::Active, Money::usd(3_500), Some(shop.attempt))
    );
    assert_eq!(made.period_ends_at.unix_timestamp(), 1_767_225_600 + 31 * 86_400);

    assert_eq!(shop.payments.get_subscription(&made.id).await, Ok(made.clone()));
    let bills = shop.payments.list_invoices(&made.id).await.expect("listed");
    let [bill] = bills.as_slice() else {
        panic!("one bill, not {bills:?}")
    };
    assert_eq!(
        (bill.status.as_str(), bill.paid, bill.subscription.as_ref()),
        ("paid", Money::usd(3_500), Some(&made.id))
    );
    assert!(bill.payment.is_some() && bill.number.is_some());
    assert_eq!(shop.payments.get_invoice(&bill.id).await.as_ref(), Ok(bill));
    assert_eq!(made.latest_invoice.as_ref(), Some(&bill.id));
}

#[tokio::test]
async fn an_attempt_is_found_by_its_metadata_among_many() {
    let shop = Shop::open().await;
    // More than one page of others with the same address.
    for n in 0..101 {
        shop.send("POST", "/v1/customers", &format!("email=ada%40example.com&name=c{n}"))
            .await;
    }
    assert_eq!(shop.payments.find_customer(shop.attempt, &shop.email).await, Ok(None));
    let customer = shop.customer().await;
    for n in 0..101 {
        shop.send("POST", "/v1/customers", &format!("email=ada%40example.com&name=d{n}"))
            .await;
    }
    assert_eq!(
        shop.payments.find_customer(shop.attempt, &shop.email).await,
        Ok(Some(customer.clone()))
    );

    assert_eq!(
        shop.payments.find_subscription(&customer.id, shop.attempt).await,
        Ok(None)
    );
    let made = shop
        .subscribe("s1", &customer, &shop.card("tok_visa").await)
        .await
        .expect("paid");
    assert_eq!(
        shop.payments.find_subscription(&customer.id, shop.attempt).await,
        Ok(Some(made.clone()))
    );
    let other = AttemptId::new(micro_clock::Ids.random());
    assert_eq!(shop.payments.find_subscription(&customer.id, other).await, Ok(None));
    shop.payments.cancel(&made.id).await.expect("cancelled");
    assert_eq!(
        shop.payments.find_subscription(&customer.id, shop.attempt).await,
        Ok(None),
        "it is over"
    );
}

#[tokio::test]
async fn what_was_taken_is_given_back_once() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    let made = shop
        .subscribe("s1", &customer, &shop.card("tok_visa").await)
        .await
        .expect("paid");
    let bill = shop
        .payments
        .get_invoice(made.latest_invoice.as_ref().expect("a bill"))
        .await
        .expect("read");
    let payment = bill.payment.expect("paid");

    for _ in 0..2 {
        let ended = shop.payments.cancel(&made.id).await.expect("ends, or has ended");
        assert_eq!(ended.status, SubscriptionStatus::Canceled);
    }
    let wanted = NewRefund {
        attempt: shop.attempt,
        payment: &payment,
    };
    let first = shop.payments.refund(&key("r1"), &wanted).await.expect("given back");
    assert_eq!(first.amount, Money::usd(3_500));
    for by in ["r1", "r2"] {
        assert_eq!(
            shop.payments.refund(&key(by), &wanted).await,
            Ok(first.clone()),
            "under the same key or another"
        );
    }
    assert_eq!(shop.payments.list_refunds(&payment).await, Ok(vec![first]));
    let even = json!({ "customers": 1, "charges": 1, "charged": 3500, "refunds": 1, "refunded": 3500, "live_subscriptions": 0 });
    assert_eq!(shop.books().await, even);
}

#[tokio::test]
async fn a_renewal_is_seen_as_another_bill() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    let made = shop
        .subscribe("s1", &customer, &shop.card("tok_visa").await)
        .await
        .expect("paid");
    shop.clock.advance(time::Duration::days(32));
    let renewed = shop.payments.get_subscription(&made.id).await.expect("read");
    assert!(renewed.period_ends_at > made.period_ends_at);
    let bills = shop.payments.list_invoices(&made.id).await.expect("listed");
    let paid: Vec<_> = bills.iter().map(|b| b.paid.cents).collect();
    assert_eq!(paid, [3_500, 3_500]);
    assert!(bills[0].created_at < bills[1].created_at);
}

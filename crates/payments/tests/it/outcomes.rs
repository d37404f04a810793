//! What is known after a call that did not go well.

use micro_payments::{NewCustomer, Payments as _, PaymentsError};
use serde_json::json;

use crate::harness::{Shop, key};

fn declined(code: &str, reason: &str) -> PaymentsError {
    PaymentsError::Declined {
        reason: reason.into(),
        code: code.into(),
    }
}

#[tokio::test]
async fn a_declined_card_is_definite_and_the_next_one_pays() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    let poor = shop
        .subscribe("s1", &customer, &shop.card("tok_chargeDeclinedInsufficientFunds").await)
        .await;
    assert_eq!(
        poor,
        Err(declined("insufficient_funds", "Your card has insufficient funds."))
    );
    let later = shop.card("tok_chargeCustomerFail").await;
    for _ in 0..2 {
        assert_eq!(
            shop.subscribe("s2", &customer, &later).await,
            Err(declined("generic_decline", "Your card was declined."))
        );
    }
    let holder = shop
        .subscribe("s3", &customer, &shop.card("tok_authenticationRequired").await)
        .await;
    assert!(
        matches!(&holder, Err(PaymentsError::Declined { code, .. }) if code == "authentication_required"),
        "{holder:?}"
    );
    assert_eq!(
        shop.payments.find_subscription(&customer.id, shop.attempt).await,
        Ok(None)
    );

    shop.subscribe("s4", &customer, &shop.card("tok_visa").await)
        .await
        .expect("paid");
    assert_eq!(shop.books().await["charged"], 3500);
}

#[tokio::test]
async fn a_lost_reply_is_unknown_then_read_back_or_replayed() {
    for fault in ["drop_after_commit", "hang_after_commit", "server_error_after_commit"] {
        let shop = Shop::open().await;
        let customer = shop.customer().await;
        let card = shop.card("tok_visa").await;
        shop.order("subscriptions.create", fault).await;
        let lost = shop.subscribe("s1", &customer, &card).await;
        assert!(matches!(lost, Err(PaymentsError::Unknown { .. })), "{fault}: {lost:?}");

        let found = shop
            .payments
            .find_subscription(&customer.id, shop.attempt)
            .await
            .expect("listed")
            .expect("it was made");
        let again = shop.subscribe("s1", &customer, &card).await;
        match fault {
            "server_error_after_commit" => assert!(
                matches!(again, Err(PaymentsError::Unknown { .. })),
                "the 500 is replayed"
            ),
            _ => assert_eq!(again, Ok(found)),
        }
        let books = shop.books().await;
        assert_eq!(
            (&books["charges"], &books["live_subscriptions"]),
            (&json!(1), &json!(1)),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_request_that_was_not_done_can_be_repeated() {
    for fault in ["server_error", "rate_limit"] {
        let shop = Shop::open().await;
        shop.order("customers.create", fault).await;
        let wanted = NewCustomer {
            attempt: shop.attempt,
            email: &shop.email,
        };
        let failed = shop.payments.create_customer(&key("c"), &wanted).await;
        assert!(
            matches!(failed, Err(PaymentsError::Unknown { .. })),
            "{fault}: {failed:?}"
        );
        assert!(shop.payments.create_customer(&key("c"), &wanted).await.is_ok());
        assert_eq!(shop.books().await["customers"], 1);
    }
}

#[tokio::test]
async fn nobody_listening_is_unknown_and_a_wrong_request_is_refused() {
    let shop = Shop::open().await;
    let missing = shop
        .payments
        .get_subscription(&micro_payments::SubscriptionId::new("sub_none"))
        .await;
    assert_eq!(
        missing,
        Err(PaymentsError::Refused {
            status: 404,
            code: "resource_missing".into()
        })
    );
    assert!(missing.is_err_and(|e| e.is_missing()));
    let wanted = NewCustomer {
        attempt: shop.attempt,
        email: &shop.email,
    };
    shop.payments.create_customer(&key("c"), &wanted).await.expect("made");
    let other = micro_domain::Email::parse("bob@example.com").expect("valid");
    let misused = shop
        .payments
        .create_customer(
            &key("c"),
            &NewCustomer {
                email: &other,
                ..wanted.clone()
            },
        )
        .await;
    assert!(
        matches!(misused, Err(PaymentsError::Refused { status: 400, .. })),
        "{misused:?}"
    );

    let payments = shop.payments.clone();
    let attempt = shop.attempt;
    shop.double.stop().await;
    let alone = payments.find_customer(attempt, &other).await;
    assert!(matches!(alone, Err(PaymentsError::Unknown { .. })), "{alone:?}");
}

#[tokio::test]
async fn an_error_tells_no_address() {
    let shop = Shop::open().await;
    shop.order("customers.list", "server_error").await;
    let failed = shop
        .payments
        .find_customer(shop.attempt, &shop.email)
        .await
        .expect_err("ordered");
    assert!(!format!("{failed} {failed:?}").contains("ada"));
}

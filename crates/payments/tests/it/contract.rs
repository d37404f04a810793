//! What every provider keeps: the fake in memory, and Stripe's client over HTTP.

use micro_clock::Ids;
use micro_domain::{AttemptId, Email, Money, Plan};
use micro_payments::{
    CardId, CheckoutState, FakePayments, Fault, NewCheckout, NewCustomer, NewRefund, NewSubscription, Payments,
    PaymentsError, SubscriptionStatus,
};

use crate::harness::{Shop, key};

/// One attempt's life; `good` and `bad` are cards that can and cannot be charged.
async fn keeps_its_word(payments: &dyn Payments, good: &CardId, bad: &CardId) {
    let attempt = AttemptId::new(Ids.random());
    let email = Email::parse("ada@example.com").expect("valid");
    assert_eq!(payments.find_customer(attempt, &email).await, Ok(None));
    let wanted = NewCustomer { attempt, email: &email };
    let customer = payments.create_customer(&key("c1"), &wanted).await.expect("made");
    assert_eq!(
        payments.create_customer(&key("c1"), &wanted).await,
        Ok(customer.clone())
    );
    assert_eq!(
        payments.find_customer(attempt, &email).await,
        Ok(Some(customer.clone()))
    );

    let page = NewCheckout {
        attempt,
        customer: &customer.id,
        success_url: "http://s.test/",
        cancel_url: "http://s.test/",
    };
    let opened = payments.start_checkout(&key("p1"), &page).await.expect("open");
    let read = payments.read_checkout(&opened.id).await.expect("read");
    assert_eq!(
        (read.attempt, read.state, read.url),
        (Some(attempt), CheckoutState::Open, Some(opened.url))
    );

    let buy = |card| NewSubscription {
        attempt,
        namespace: "amber",
        customer: &customer.id,
        card,
        plan: Plan::Developer,
    };
    for _ in 0..2 {
        let declined = payments.subscribe(&key("s1"), &buy(bad)).await;
        assert!(matches!(declined, Err(PaymentsError::Declined { .. })), "{declined:?}");
    }
    assert_eq!(payments.find_subscription(&customer.id, attempt).await, Ok(None));
    let bought = payments.subscribe(&key("s2"), &buy(good)).await.expect("paid");
    assert_eq!(
        (bought.status, bought.price),
        (SubscriptionStatus::Active, Money::usd(3_500))
    );
    assert_eq!(payments.subscribe(&key("s2"), &buy(good)).await, Ok(bought.clone()));
    assert_eq!(
        payments.find_subscription(&customer.id, attempt).await,
        Ok(Some(bought.clone()))
    );

    let bills = payments.list_invoices(&bought.id).await.expect("listed");
    assert_eq!(
        bills.iter().map(|bill| bill.paid).collect::<Vec<_>>(),
        [Money::usd(3_500)]
    );
    let payment = bills[0].payment.as_ref().expect("paid");
    for _ in 0..2 {
        assert_eq!(
            payments.cancel(&bought.id).await.map(|s| s.status),
            Ok(SubscriptionStatus::Canceled)
        );
    }
    assert_eq!(payments.find_subscription(&customer.id, attempt).await, Ok(None));
    let back = payments
        .refund(&key("r1"), &NewRefund { attempt, payment })
        .await
        .expect("given back");
    assert_eq!(
        payments.refund(&key("r2"), &NewRefund { attempt, payment }).await,
        Ok(back.clone())
    );
    assert_eq!(payments.get_refund(&back.id).await, Ok(back.clone()));
    assert_eq!(
        (back.amount, payments.list_refunds(payment).await),
        (Money::usd(3_500), Ok(vec![back]))
    );
}

#[tokio::test]
async fn stripe_keeps_its_word() {
    let shop = Shop::open().await;
    let good = CardId::new(shop.card("tok_visa").await);
    let bad = CardId::new(shop.card("tok_chargeCustomerFail").await);
    keeps_its_word(&shop.payments, &good, &bad).await;
}

#[tokio::test]
async fn the_fake_keeps_its_word() {
    let fake = FakePayments::default();
    keeps_its_word(&fake, &CardId::new("card_good"), &CardId::new("card_declined")).await;
    assert_eq!((fake.balance(), fake.live()), (Money::usd(0), 0));
}

#[tokio::test]
async fn the_fake_loses_what_it_is_told_to_lose() {
    let fake = FakePayments::default();
    let (attempt, email) = (
        AttemptId::new(Ids.random()),
        Email::parse("ada@example.com").expect("valid"),
    );
    let wanted = NewCustomer { attempt, email: &email };
    for (fault, made) in [(Fault::LostRequest, false), (Fault::LostReply, true)] {
        fake.fail_next(fault);
        let lost = fake.create_customer(&key("c1"), &wanted).await;
        assert!(matches!(lost, Err(PaymentsError::Unknown { .. })), "{lost:?}");
        assert_eq!(
            fake.find_customer(attempt, &email).await.expect("listed").is_some(),
            made
        );
    }
    let page = NewCheckout {
        attempt,
        customer: &fake.create_customer(&key("c1"), &wanted).await.expect("replayed").id,
        success_url: "http://s.test/",
        cancel_url: "http://s.test/",
    };
    let page = fake.start_checkout(&key("p1"), &page).await.expect("open");
    fake.complete_checkout(&page.id, &CardId::new("card_good"));
    let read = fake.read_checkout(&page.id).await.expect("read");
    assert_eq!(read.state, CheckoutState::Complete(CardId::new("card_good")));
}

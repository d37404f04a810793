//! The page on which a card is stored.

use micro_payments::{CheckoutState, NewCheckout, Payments as _};

use crate::harness::{Shop, key};

#[tokio::test]
async fn a_page_is_opened_filled_in_and_read_back() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    let wanted = NewCheckout {
        attempt: shop.attempt,
        customer: &customer.id,
        success_url: "http://shop.test/done?s={CHECKOUT_SESSION_ID}",
        cancel_url: "http://shop.test/no",
    };
    let page = shop.payments.start_checkout(&key("p1"), &wanted).await.expect("open");
    assert_eq!(
        shop.payments.start_checkout(&key("p1"), &wanted).await,
        Ok(page.clone())
    );
    let open = shop.payments.read_checkout(&page.id).await.expect("read");
    assert_eq!(
        (&open.state, open.attempt, open.url.as_ref()),
        (&CheckoutState::Open, Some(shop.attempt), Some(&page.url))
    );

    // 3-D Secure: the page leads to the challenge, the challenge back to us.
    let (status, _) = shop
        .send("POST", &page.url, "number=4000002500003155&expiry=12/34&cvc=123")
        .await;
    assert_eq!(status, 303);
    let (_, intents) = shop.send("GET", "/v1/setup_intents", "").await;
    let challenge = intents["data"][0]["next_action"]["redirect_to_url"]["url"]
        .as_str()
        .expect("a challenge")
        .to_owned();
    assert_eq!(
        shop.payments.read_checkout(&page.id).await.expect("read").state,
        CheckoutState::Open
    );
    assert_eq!(shop.send("POST", &challenge, "outcome=complete").await.0, 303);

    let done = shop.payments.read_checkout(&page.id).await.expect("read");
    let CheckoutState::Complete(card) = done.state else {
        panic!("{:?}", done.state)
    };
    // Once authenticated, the card pays without its holder.
    assert!(shop.subscribe("s1", &customer, card.as_str()).await.is_ok());
}

#[tokio::test]
async fn a_page_expires() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    let wanted = NewCheckout {
        attempt: shop.attempt,
        customer: &customer.id,
        success_url: "http://s.test/",
        cancel_url: "http://s.test/",
    };
    let page = shop.payments.start_checkout(&key("p1"), &wanted).await.expect("open");
    shop.clock.advance(time::Duration::hours(25));
    assert_eq!(
        shop.payments.read_checkout(&page.id).await.expect("read").state,
        CheckoutState::Expired
    );
}

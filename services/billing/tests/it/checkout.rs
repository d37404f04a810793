//! The page on which a card is entered.

use micro_error::Error;
use micro_proto::billing::{
    Billing as _, ReadCheckoutRequest, ReadCheckoutResponse, StartCheckoutRequest, StartCheckoutResponse,
};
use time::Duration;

use crate::shop::{Buyer, EMAIL, Shop, caller, refusal};

async fn start(shop: &Shop, buyer: Buyer, success: &str) -> Result<StartCheckoutResponse, Error> {
    let request = StartCheckoutRequest {
        attempt: buyer.attempt.to_string(),
        email: EMAIL.into(),
        success_url: success.into(),
        cancel_url: "http://shop.test/no".into(),
    };
    shop.billing.start_checkout(&caller(), request).await
}

async fn read(shop: &Shop, buyer: Buyer, session: &str) -> Result<ReadCheckoutResponse, Error> {
    let request = ReadCheckoutRequest {
        attempt: buyer.attempt.to_string(),
        session: session.into(),
    };
    shop.billing.read_checkout(&caller(), request).await
}

const BACK: &str = "http://shop.test/back?session={CHECKOUT_SESSION_ID}";

#[tokio::test]
async fn a_card_goes_from_the_page_to_the_first_charge() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let page = start(&shop, ada, BACK).await.expect("open");
    assert_eq!(start(&shop, ada, BACK).await.expect("still open"), page);
    assert_eq!(read(&shop, ada, &page.session).await.expect("read").state, "open");

    let (declined, _) = shop
        .send("POST", &page.url, "number=4000000000000002&expiry=12/34&cvc=123")
        .await;
    assert_eq!(declined, 402);
    let (done, _) = shop
        .send("POST", &page.url, "number=4242424242424242&expiry=12/34&cvc=123")
        .await;
    assert_eq!(done, 303);
    let stored = read(&shop, ada, &page.session).await.expect("read");
    assert_eq!(stored.state, "complete");
    shop.subscribe(ada, &stored.payment_method, 1).await.expect("paid");
    shop.settle().await;
    assert_eq!(shop.books(ada).await["charged"], 3500);
    assert_eq!(
        shop.books(ada).await["customers"],
        1,
        "the page and the charge share one"
    );
}

#[tokio::test]
async fn a_used_up_page_is_followed_by_another() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    let first = start(&shop, ada, BACK).await.expect("open");
    shop.send("POST", &first.url, "number=4242424242424242&expiry=12/34&cvc=123")
        .await;
    let second = start(&shop, ada, BACK).await.expect("another card");
    assert_ne!(second.session, first.session);
    shop.clock.advance(Duration::hours(25));
    assert_eq!(read(&shop, ada, &second.session).await.expect("read").state, "expired");
    let third = start(&shop, ada, BACK).await.expect("another day");
    assert_ne!(third.session, second.session);
    // Moved to another address: the old page would lead nowhere.
    let fourth = start(&shop, ada, "http://elsewhere.test/back").await.expect("open");
    assert_ne!(fourth.session, third.session);
    assert_eq!(shop.books(ada).await["customers"], 1);
}

#[tokio::test]
async fn another_attempts_page_is_not_there() {
    let (shop, ada, bob) = (Shop::open().await, Buyer::new(), Buyer::new());
    let page = start(&shop, ada, BACK).await.expect("open");
    for session in [page.session.as_str(), "cs_test_none", "", "../customers"] {
        assert_eq!(
            refusal(read(&shop, bob, session).await),
            (404, "billing.no_checkout".into()),
            "{session}"
        );
    }
}

#[tokio::test]
async fn a_lost_reply_opens_no_second_customer() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    shop.order("customers.create", "drop_after_commit", 1).await;
    shop.order("checkout.sessions.create", "drop_after_commit", 1).await;
    assert_eq!(refusal(start(&shop, ada, BACK).await).0, 503);
    start(&shop, ada, BACK).await.expect("open");
    assert_eq!(shop.books(ada).await["customers"], 1);
    let (_, sessions) = shop.send("GET", "/v1/checkout/sessions", "").await;
    assert_eq!(
        sessions["data"].as_array().map(Vec::len),
        Some(1),
        "replayed under its key"
    );
}

#[tokio::test]
async fn a_closed_attempt_gets_no_page() {
    let (shop, ada) = (Shop::open().await, Buyer::new());
    shop.refund(ada).await.expect("nothing");
    assert_eq!(refusal(start(&shop, ada, BACK).await), (409, "billing.closed".into()));
}

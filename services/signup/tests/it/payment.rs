//! Cards: stored, declined, pasted, and the browser's ways back.

use futures::StreamExt;
use micro_error::Kind;
use micro_proto::signup::{FinishPageRequest, Pages, Session, StartPageRequest, WatchRequest};
use time::Duration;

use crate::{
    app::{Person, TestApp, link, platform, read_link, somebody},
    bank::Fault,
};

#[tokio::test]
async fn a_declined_card_leads_back_to_the_same_page_and_the_next_one_pays() {
    let app = TestApp::start().await;
    let (ada, link) = Person::with_card(&app, "ada@example.com").await;
    app.bank.fail_next(&[Fault::Decline]);
    let declined = ada.complete("correct horse", "").await.expect_err("declined");
    assert_eq!(
        (declined.kind(), declined.id()),
        (Kind::PaymentRequired, "billing.declined")
    );
    assert!(declined.message().contains("Your card was declined.") && declined.message().contains(&link));

    let page = read_link(&app, &link).await.expect("the same page");
    assert_eq!(
        (page.state.as_str(), page.message.as_str()),
        ("payment_pending", "Your card was declined.")
    );
    let missing = ada.complete("correct horse", "").await.expect_err("no card yet");
    assert_eq!((missing.kind(), missing.id()), (Kind::PaymentRequired, "signup.card"));

    assert_eq!(
        ada.enter_card(&link).await.message,
        "",
        "a new card, nothing said of the old one"
    );
    ada.complete("correct horse", "").await.expect("ready");
    assert_eq!(
        (app.bank.charges(), app.count("namespaces").await),
        (1, 1),
        "one name for both tries"
    );
}

#[tokio::test]
async fn the_payment_token_is_this_attempts_and_anything_else_is_refused() {
    let app = TestApp::start().await;
    let (ada, hers) = Person::with_card(&app, "ada@example.com").await;
    let (_, his) = Person::with_card(&app, "bob@example.com").await;
    let token = async |link: &str| read_link(&app, link).await.expect("a page").payment_token;
    for wrong in [token(&his).await, "pm_card_visa".into(), "x".into()] {
        let refused = ada.complete("correct horse", &wrong).await.expect_err("not hers");
        assert_eq!(
            (refused.kind(), refused.id()),
            (Kind::Forbidden, "signup.payment_token")
        );
    }
    assert_eq!(app.bank.charges(), 0);
    ada.complete("correct horse", &format!(" {}\n", token(&hers).await))
        .await
        .expect("pasted");
    assert_eq!(read_link(&app, &hers).await.expect("a page").payment_token, "", "used");
}

#[tokio::test]
async fn without_a_card_nothing_goes_on() {
    let app = TestApp::start().await;
    let (ada, confirmed) = Person::verified(&app, "ada@example.com").await;
    let missing = ada.complete("correct horse", "").await.expect_err("no card");
    assert_eq!((missing.kind(), missing.id()), (Kind::PaymentRequired, "signup.card"));
    assert!(missing.message().contains(&confirmed.subscribe_url));
    assert_eq!(
        ada.complete("correct horse", "pt_made_up")
            .await
            .expect_err("no card")
            .id(),
        "signup.payment_token"
    );
}

#[tokio::test]
async fn a_browser_that_never_came_back_does_not_stop_the_terminal() {
    let app = TestApp::start().await;
    let (ada, confirmed) = Person::verified(&app, "ada@example.com").await;
    let session = ada.open_card_page(&link(&confirmed.subscribe_url)).await;
    app.bank.enter_card(&session);
    ada.complete("correct horse", "")
        .await
        .expect("the provider knows of the card");
}

#[tokio::test]
async fn a_waiting_terminal_hears_of_it_too() {
    let app = TestApp::start().await;
    let (ada, confirmed) = Person::verified(&app, "ada@example.com").await;
    let session = ada.open_card_page(&link(&confirmed.subscribe_url)).await;
    let watch = WatchRequest {
        secret: ada.secret.clone(),
    };
    let mut states = Session::watch(&app.signup, &somebody(), watch).await.expect("watching");
    assert_eq!(
        states.next().await.expect("the current state").expect("read").state,
        "payment_pending"
    );
    app.bank.enter_card(&session);
    app.clock.advance(Duration::seconds(10));
    assert_eq!(
        states.next().await.expect("the next").expect("read").state,
        "card_stored"
    );
}

#[tokio::test]
async fn the_ways_back_are_the_attempts_own() {
    let app = TestApp::start().await;
    let (ada, confirmed) = Person::verified(&app, "ada@example.com").await;
    ada.open_card_page(&link(&confirmed.subscribe_url)).await;
    let (success, cancel) = app.bank.ways_back();
    assert_eq!(
        success,
        format!("{}/return?session={{CHECKOUT_SESSION_ID}}", confirmed.subscribe_url)
    );
    assert_eq!(cancel, format!("{}?cancelled=1", confirmed.subscribe_url));
}

#[tokio::test]
async fn another_attempts_card_page_counts_for_nothing() {
    let app = TestApp::start().await;
    let (ada, hers) = Person::verified(&app, "ada@example.com").await;
    let (bob, his) = Person::verified(&app, "bob@example.com").await;
    let session = bob.open_card_page(&link(&his.subscribe_url)).await;
    app.bank.enter_card(&session);
    let request = FinishPageRequest {
        link: link(&hers.subscribe_url),
        session,
    };
    let page = Pages::finish_checkout(&app.signup, &platform(), request)
        .await
        .expect("a page");
    assert_eq!(page.state, "payment_pending");
    assert_eq!(
        ada.complete("correct horse", "").await.expect_err("no card").id(),
        "signup.card"
    );
}

#[tokio::test]
async fn another_card_before_paying_replaces_the_first_and_its_token() {
    let app = TestApp::start().await;
    let (ada, link) = Person::with_card(&app, "ada@example.com").await;
    let first = read_link(&app, &link).await.expect("a page").payment_token;
    let second = ada.enter_card(&link).await.payment_token;
    assert_ne!(first, second);
    assert_eq!(
        ada.complete("correct horse", &first).await.expect_err("replaced").id(),
        "signup.payment_token"
    );
    ada.complete("correct horse", &second).await.expect("ready");
}

#[tokio::test]
async fn a_link_lives_a_day() {
    let app = TestApp::start().await;
    let (ada, link) = Person::with_card(&app, "ada@example.com").await;
    app.clock.advance(Duration::hours(25));
    assert_eq!(read_link(&app, &link).await.expect("a page").state, "expired");
    let open = Pages::start_checkout(&app.signup, &platform(), StartPageRequest { link }).await;
    assert_eq!(open.expect_err("too late").kind(), Kind::Conflict);
    assert_eq!(
        ada.complete("correct horse", "").await.expect_err("too late").id(),
        "signup.expired"
    );
    assert_eq!(app.bank.charges(), 0);
}

//! Mailed codes.

use micro_error::Kind;
use time::Duration;

use crate::app::{Person, TestApp, codes};

#[tokio::test]
async fn a_code_lives_sixty_minutes() {
    let app = TestApp::start().await;
    let (ada, bob) = (
        Person::start(&app, "ada@example.com").await,
        Person::start(&app, "bob@example.com").await,
    );
    let (hers, _) = codes(&app.letter(ada.email, "60 minutes").await);
    let (his, _) = codes(&app.letter(bob.email, "60 minutes").await);
    app.clock.advance(Duration::minutes(59));
    ada.confirm(&hers).await.expect("in time");
    app.clock.advance(Duration::minutes(2));
    let late = bob.confirm(&his).await.expect_err("too late");
    assert_eq!(
        (late.kind(), late.message()),
        (Kind::Forbidden, "The token you provided has expired")
    );
}

#[tokio::test]
async fn the_short_form_will_do() {
    let app = TestApp::start().await;
    let ada = Person::start(&app, "ada@example.com").await;
    let (_, short) = codes(&app.letter(ada.email, "one-time token").await);
    ada.confirm(&short.to_lowercase().replace('-', " "))
        .await
        .expect("typed by hand");
}

#[tokio::test]
async fn the_sixth_try_is_refused_even_if_it_is_right() {
    let app = TestApp::start().await;
    let ada = Person::start(&app, "ada@example.com").await;
    let (long, _) = codes(&app.letter(ada.email, "one-time token").await);
    for _ in 0..5 {
        let wrong = ada.confirm(&"0".repeat(40)).await.expect_err("wrong");
        assert_eq!(wrong.message(), "The token you provided is invalid");
    }
    let refused = ada.confirm(&long).await.expect_err("too many");
    assert_eq!((refused.kind(), refused.id()), (Kind::TooMany, "signup.tries"));
}

#[tokio::test]
async fn five_at_once_are_counted_as_five() {
    let app = TestApp::start().await;
    let ada = Person::start(&app, "ada@example.com").await;
    let wrong = "0".repeat(40);
    let tries = futures::future::join_all((0..12).map(|_| ada.confirm(&wrong))).await;
    let refused = tries
        .iter()
        .filter(|t| t.as_ref().expect_err("wrong").id() == "signup.tries")
        .count();
    assert_eq!(refused, 7);
}

#[tokio::test]
async fn a_code_is_of_one_attempt_only() {
    let app = TestApp::start().await;
    let ada = Person::start(&app, "ada@example.com").await;
    let (hers, _) = codes(&app.letter(ada.email, "one-time token").await);
    let bob = Person::start(&app, "bob@example.com").await;
    app.letter(bob.email, "one-time token").await;
    assert!(bob.confirm(&hers).await.is_err());
    ada.confirm(&hers).await.expect("her own");
}

#[tokio::test]
async fn confirming_again_gives_the_same_page() {
    let app = TestApp::start().await;
    let ada = Person::start(&app, "ada@example.com").await;
    let (long, _) = codes(&app.letter(ada.email, "one-time token").await);
    let (first, again) = (
        ada.confirm(&long).await.expect("right"),
        ada.confirm(&long).await.expect("a lost answer"),
    );
    assert_eq!(first, again);
}

#[tokio::test]
async fn nothing_readable_is_stored() {
    let app = TestApp::start().await;
    let ada = Person::start(&app, "ada@example.com").await;
    let (long, short) = codes(&app.letter(ada.email, "one-time token").await);
    let everything = "select (select coalesce(string_agg(row_to_json(c)::text, ''), '') from signup_codes c)
                          || (select coalesce(string_agg(row_to_json(a)::text, ''), '') from signup_attempts a)
                          || (select coalesce(string_agg(row_to_json(j)::text, ''), '') from jobs j)";
    let stored = app.db.ask_superuser(everything).await.concat();
    for secret in [
        long.as_str(),
        short.as_str(),
        &short.replace('-', ""),
        ada.secret.as_str(),
    ] {
        assert!(!stored.contains(secret));
    }
    assert!(stored.contains("ada@example.com"), "the right rows were looked at");
}

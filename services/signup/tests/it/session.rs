//! The way of our own client, from address to namespace.

use futures::StreamExt;
use micro_error::Kind;
use micro_proto::signup::{Session, StartRequest, WatchRequest};
use micro_tenancy::Caller;

use crate::app::{Person, TestApp, codes, link, read_link, somebody};

#[tokio::test]
async fn an_address_a_card_and_a_password_make_a_namespace() {
    let app = TestApp::start().await;
    let (ada, confirmed) = Person::verified(&app, "ada@example.com").await;
    assert!(!confirmed.known && confirmed.token.is_none() && confirmed.payment_required);
    assert_eq!(confirmed.price, "$35");
    let link = link(&confirmed.subscribe_url);

    let page = read_link(&app, &link).await.expect("a page");
    assert_eq!(
        (page.state.as_str(), page.email.as_str(), page.price.as_str()),
        ("payment_pending", "ada@example.com", "$35")
    );
    assert!(page.payment_token.is_empty());
    assert_eq!(ada.enter_card(&link).await.state, "card_stored");

    let done = ada.complete("correct horse", "").await.expect("ready");
    assert_eq!(done.namespace.split('-').count(), 3);
    assert_eq!(done.token.expect("logged in").access_token, "access 1");
    assert_eq!(
        app.auth.accounts(),
        [(done.namespace.clone(), "ada@example.com".into(), "correct horse".into())]
    );
    assert_eq!((app.bank.charges(), app.states().await), (1, vec!["ready".to_owned()]));
    assert!(
        app.letter("ada@example.com", "Your namespace is ready")
            .await
            .contains(&done.namespace)
    );
    assert_eq!(app.db.ask_superuser("select state from namespaces").await, ["active"]);
    let kept = app
        .db
        .ask_superuser("select coalesce(secret_hash, 'gone') from signup_attempts")
        .await;
    assert_eq!(kept, ["gone"], "the password's hash is the account's alone");
}

#[tokio::test]
async fn the_terminal_sees_each_state_as_it_comes() {
    let app = TestApp::start().await;
    let (ada, confirmed) = Person::verified(&app, "ada@example.com").await;
    let watch = WatchRequest {
        secret: ada.secret.clone(),
    };
    let mut states = Session::watch(&app.signup, &somebody(), watch).await.expect("watching");
    assert_eq!(
        states.next().await.expect("the current state").expect("read").state,
        "payment_pending"
    );
    ada.enter_card(&link(&confirmed.subscribe_url)).await;
    assert_eq!(
        states.next().await.expect("the next").expect("read").state,
        "card_stored"
    );
    ada.complete("correct horse", "").await.expect("ready");
    let rest: Vec<String> = states.map(|s| s.expect("read").state).collect().await;
    assert_eq!(
        rest.last().map(String::as_str),
        Some("ready"),
        "and then it ends: {rest:?}"
    );
}

#[tokio::test]
async fn where_nothing_is_charged_there_is_no_page() {
    let app = TestApp::free().await;
    let (ada, confirmed) = Person::verified(&app, "ada@example.com").await;
    assert!(!confirmed.payment_required && confirmed.subscribe_url.is_empty());
    ada.complete("correct horse", "").await.expect("ready");
    assert_eq!((app.bank.charges(), app.auth.accounts().len()), (0, 1));
    let welcome = app.letter("ada@example.com", "Your namespace is ready").await;
    assert!(!welcome.contains('$'));
}

#[tokio::test]
async fn a_password_must_hold() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    for bad in ["", "short", "ada@example.com"] {
        let refused = ada.complete(bad, "").await.expect_err("refused");
        assert_eq!(
            (refused.kind(), refused.id()),
            (Kind::Invalid, "signup.password"),
            "{bad}"
        );
    }
    assert_eq!(app.bank.charges(), 0);
    ada.complete("correct horse", "").await.expect("ready");
}

#[tokio::test]
async fn a_lost_answer_may_be_asked_for_again_for_a_while() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    let first = ada.complete("correct horse", "").await.expect("ready");
    let again = ada.complete("correct horse", "").await.expect("the same");
    assert_eq!(first.namespace, again.namespace);
    assert_eq!((app.bank.charges(), app.auth.accounts().len()), (1, 1));
    app.clock.advance(time::Duration::minutes(16));
    assert_eq!(
        ada.complete("correct horse", "").await.expect_err("log in").id(),
        "signup.complete"
    );
}

#[tokio::test]
async fn addresses_that_are_none_are_refused_and_never_repeated() {
    let app = TestApp::start().await;
    for (bad, said) in [
        ("", "Please specify an email address"),
        ("nonsense", "not a valid email address"),
    ] {
        let refused = Session::start(&app.signup, &somebody(), StartRequest { email: bad.into() })
            .await
            .expect_err("refused");
        assert_eq!((refused.kind(), refused.id()), (Kind::Invalid, "signup.email"));
        assert!(
            refused.message().contains(said) && !refused.message().contains("nonsense"),
            "{refused:?}"
        );
    }
    assert_eq!(app.count("signup_attempts").await, 0);
}

#[tokio::test]
async fn letters_to_one_address_are_limited() {
    let app = TestApp::start().await;
    for _ in 0..5 {
        Person::start(&app, "ada@example.com").await;
    }
    let ask = |email: &str| StartRequest { email: email.into() };
    let refused = Session::start(&app.signup, &somebody(), ask("ada@example.com"))
        .await
        .expect_err("too many");
    assert_eq!((refused.kind(), refused.id()), (Kind::TooMany, "limits.signup.address"));
    assert!(!refused.message().contains("ada"));
    Session::start(&app.signup, &somebody(), ask("bob@example.com"))
        .await
        .expect("his own limit");
    app.clock.advance(time::Duration::minutes(13));
    Session::start(&app.signup, &somebody(), ask("ada@example.com"))
        .await
        .expect("after a while");
}

#[tokio::test]
async fn a_handle_that_is_none_opens_nothing() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    let stranger = Person {
        app: &app,
        email: "ada@example.com",
        secret: "x".repeat(43),
    };
    assert_eq!(
        stranger.complete("correct horse", "").await.expect_err("not his").id(),
        "signup.token"
    );
    let watch = WatchRequest {
        secret: stranger.secret.clone(),
    };
    assert!(Session::watch(&app.signup, &somebody(), watch).await.is_err());
    let (long, _) = codes(&app.letter(ada.email, "one-time token").await);
    assert!(
        stranger.confirm(&long).await.is_err(),
        "a code is bound to its terminal"
    );
    for refused in [read_link(&app, "").await, read_link(&app, &"A".repeat(43)).await] {
        assert_eq!(refused.expect_err("no page").kind(), Kind::NotFound);
    }
}

#[tokio::test]
async fn pages_are_for_the_web_door_only() {
    use micro_proto::signup::{Pages, ReadLinkRequest};
    let app = TestApp::start().await;
    let (_, link) = Person::with_card(&app, "ada@example.com").await;
    let refused = Pages::read_link(&app.signup, &Caller::anonymous(), ReadLinkRequest { link })
        .await
        .expect_err("refused");
    assert_eq!(refused.kind(), Kind::Forbidden);
}

//! Addresses that have a namespace.

use micro_error::Kind;
use micro_proto::signup::{RecoverRequest, Session, Signup, StartRequest};
use time::Duration;

use crate::app::{Person, TestApp, codes, somebody};

#[tokio::test]
async fn a_known_address_logs_in_with_a_code_of_ten_minutes() {
    let app = TestApp::start().await;
    let made = Person::ready(&app, "ada@example.com", "correct horse").await;
    let (_, confirmed) = Person::verified(&app, "ada@example.com").await;
    assert!(confirmed.known && confirmed.token.is_some());
    assert_eq!(confirmed.namespace, made.namespace);
    assert!(
        app.letter("ada@example.com", "10 minutes")
            .await
            .contains("has a Micro account")
    );

    let late = Person::start(&app, "ada@example.com").await;
    let before = codes(&app.letter("ada@example.com", "10 minutes").await).0;
    micro_testkit::eventually("mailed", std::time::Duration::from_secs(20), async || {
        codes(&app.letter("ada@example.com", "10 minutes").await).0 != before
    })
    .await;
    let (long, _) = codes(&app.letter("ada@example.com", "10 minutes").await);
    app.clock.advance(Duration::minutes(11));
    assert_eq!(
        late.confirm(&long).await.expect_err("too late").message(),
        "The token you provided has expired"
    );
}

#[tokio::test]
async fn a_login_code_logs_in_once() {
    let app = TestApp::start().await;
    Person::ready(&app, "ada@example.com", "correct horse").await;
    let (again, _) = Person::verified(&app, "ada@example.com").await;
    let (long, _) = codes(&app.letter("ada@example.com", "10 minutes").await);
    assert_eq!(again.confirm(&long).await.expect_err("used").kind(), Kind::Forbidden);
}

#[tokio::test]
async fn signing_up_again_sets_a_new_password_ends_other_logins_and_costs_nothing() {
    let app = TestApp::start().await;
    let made = Person::ready(&app, "ada@example.com", "correct horse").await;
    let (again, confirmed) = Person::verified(&app, "ada@example.com").await;
    assert!(confirmed.known);
    assert_eq!(app.auth.logins(), 2);
    let done = again.complete("battery staple", "").await.expect("a new password");
    assert_eq!(done.namespace, made.namespace);
    assert_eq!(app.auth.logins(), 1, "this one");
    assert_eq!(
        app.auth.accounts(),
        [(made.namespace, "ada@example.com".into(), "battery staple".into())]
    );
    assert_eq!((app.bank.charges(), app.count("namespaces").await), (1, 1));
}

#[tokio::test]
async fn a_login_sets_a_new_password_for_ten_minutes_only() {
    let app = TestApp::start().await;
    Person::ready(&app, "ada@example.com", "correct horse").await;
    let (again, _) = Person::verified(&app, "ada@example.com").await;
    app.clock.advance(Duration::minutes(11));
    assert_eq!(
        again.complete("battery staple", "").await.expect_err("too late").id(),
        "signup.expired"
    );
    assert_eq!(app.auth.accounts()[0].2, "correct horse");
}

#[tokio::test]
async fn nobody_learns_whether_an_address_is_known() {
    let app = TestApp::start().await;
    Person::ready(&app, "ada@example.com", "correct horse").await;
    let ask = |email: &str| StartRequest { email: email.into() };
    let known = Session::start(&app.signup, &somebody(), ask("ada@example.com"))
        .await
        .expect("started");
    let unknown = Session::start(&app.signup, &somebody(), ask("bob@example.com"))
        .await
        .expect("started");
    assert_eq!(
        (known.secret.len(), known.expires_at),
        (unknown.secret.len(), unknown.expires_at)
    );
    for email in ["ada@example.com", "eve@example.com"] {
        Signup::recover(&app.signup, &somebody(), RecoverRequest { email: email.into() })
            .await
            .expect("the same");
    }
}

#[tokio::test]
async fn recovery_mails_the_namespace_once_a_minute() {
    let app = TestApp::start().await;
    let made = Person::ready(&app, "ada@example.com", "correct horse").await;
    let ask = || RecoverRequest {
        email: "ada@example.com".into(),
    };
    Signup::recover(&app.signup, &somebody(), ask()).await.expect("queued");
    assert!(
        app.letter("ada@example.com", "which namespaces belong")
            .await
            .contains(&made.namespace)
    );
    let soon = Signup::recover(&app.signup, &somebody(), ask())
        .await
        .expect_err("too soon");
    let said = "We have issued a recovery email recently. Please check that.";
    assert_eq!((soon.kind(), soon.message()), (Kind::Invalid, said));
    app.clock.advance(Duration::seconds(61));
    Signup::recover(&app.signup, &somebody(), ask()).await.expect("queued");
}

#[tokio::test]
async fn two_terminals_of_one_person_make_one_namespace() {
    let app = TestApp::start().await;
    let (one, _) = Person::with_card(&app, "ada@example.com").await;
    let (two, _) = Person::with_card(&app, "ada@example.com").await;
    let (first, second) = tokio::join!(one.complete("correct horse", ""), two.complete("battery staple", ""));
    let second = match (first, second) {
        (Ok(_), second) => second,
        (first, Ok(_)) => first,
        both => panic!("one of them gets through: {both:?}"),
    };
    if let Err(refused) = second {
        assert_eq!((refused.kind(), refused.id()), (Kind::Conflict, "signup.under_way"));
    }
    assert_eq!(
        (
            app.bank.charges(),
            app.auth.accounts().len(),
            app.count("identities").await
        ),
        (1, 1, 1)
    );
}

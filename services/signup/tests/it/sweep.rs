//! What nobody went on with.

use std::time::Duration as Real;

use micro_testkit::eventually;
use time::Duration;

use crate::{
    app::{Person, TestApp},
    bank::Fault,
};

#[tokio::test]
async fn attempts_expire_and_their_names_are_taken_back() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    app.bank.fail_next(&[Fault::Decline]);
    ada.complete("correct horse", "")
        .await
        .expect_err("declined, with a name reserved");
    app.clock.advance(Duration::SECOND);
    Person::start(&app, "bob@example.com").await;
    app.signup.sweep().await.expect("swept");
    assert_eq!(app.states().await, ["payment_pending", "started"]);

    app.clock.advance(Duration::hours(25));
    app.signup.sweep().await.expect("swept");
    assert_eq!(app.states().await, ["expired", "expired"]);
    eventually("taken back", Real::from_secs(20), async || {
        app.db.ask_superuser("select state from namespaces").await == ["erased"]
    })
    .await;
}

#[tokio::test]
async fn what_is_ready_is_never_swept_away_but_forgotten_in_time() {
    let app = TestApp::start().await;
    Person::ready(&app, "ada@example.com", "correct horse").await;
    app.clock.advance(Duration::days(20));
    app.signup.sweep().await.expect("swept");
    assert_eq!(app.states().await, ["ready"]);
    app.clock.advance(Duration::days(12));
    app.signup.sweep().await.expect("swept");
    assert_eq!(
        (app.count("signup_attempts").await, app.count("signup_codes").await),
        (0, 0)
    );
    assert_eq!(
        (
            app.count("identities").await,
            app.db.ask_superuser("select state from namespaces").await[0].as_str()
        ),
        (1, "active")
    );
}

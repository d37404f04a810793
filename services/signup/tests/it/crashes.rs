//! Whatever fails on the way: at most one charge, one account, one namespace; the person gets on or is refunded.
//! Processes are killed in `kills`; here each service fails, before or after its effect.

use micro_error::Kind;
use micro_testkit::{FlakyProxy, TestDb};
use time::Duration;

use crate::{
    app::{Person, TestApp, read_link},
    bank::Fault,
};

/// Completes while the clock runs, as it does outside of tests: jobs are tried again.
async fn complete_somehow(app: &TestApp, ada: &Person<'_>) {
    let (done, ()) = tokio::join!(ada.complete("correct horse", ""), app.until_states(&["ready"]));
    done.expect("ready");
}

#[tokio::test]
async fn an_unreachable_bank_is_asked_again() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    app.bank
        .fail_next(&[Fault::Unreachable, Fault::LostAnswer, Fault::Unreachable]);
    complete_somehow(&app, &ada).await;
    assert_eq!((app.bank.charges(), app.bank.refunds()), (1, 0));
}

#[tokio::test]
async fn effects_whose_answers_were_lost_are_not_repeated() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    app.bank.fail_next(&[Fault::LostAnswer]);
    app.auth.fail_next(2);
    app.wall.fail_next(2);
    complete_somehow(&app, &ada).await;
    assert_eq!((app.bank.charges(), app.auth.accounts().len()), (1, 1));
    assert_eq!((app.count("namespaces").await, app.count("identities").await), (1, 1));
}

#[tokio::test]
async fn a_terminal_that_went_away_finds_its_namespace_ready() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    app.wall.fail_next(1);
    let gave_up = tokio::time::timeout(std::time::Duration::from_millis(300), ada.complete("correct horse", "")).await;
    assert!(gave_up.is_err(), "the wall has to fall once");
    app.until_states(&["ready"]).await;
    let done = ada.complete("correct horse", "").await.expect("asked again");
    assert_eq!(
        app.auth.accounts(),
        [(done.namespace, "ada@example.com".into(), "correct horse".into())]
    );
}

#[tokio::test]
async fn paid_and_not_ready_in_fifteen_minutes_is_refunded_and_says_so() {
    let app = TestApp::start().await;
    let (ada, link) = Person::with_card(&app, "ada@example.com").await;
    app.wall.fail_next(u32::MAX);
    let (done, ()) = tokio::join!(ada.complete("correct horse", ""), async {
        app.until_states(&["provisioning"]).await;
        app.clock.advance(Duration::minutes(15));
        app.until_states(&["refunded"]).await;
    });
    let refunded = done.expect_err("too late");
    assert_eq!((refunded.kind(), refunded.id()), (Kind::Unavailable, "signup.refunded"));
    assert_eq!((app.bank.charges(), app.bank.refunds()), (1, 1));
    assert!(app.letter("ada@example.com", "given you back").await.contains("$35"));
    assert_eq!(read_link(&app, &link).await.expect("a page").state, "refunded");
    assert_eq!(app.count("identities").await, 0);
    micro_testkit::eventually("taken back", std::time::Duration::from_secs(20), async || {
        app.db.ask_superuser("select state from namespaces").await == ["erased"]
    })
    .await;

    app.wall.fail_next(0);
    Person::ready(&app, "ada@example.com", "correct horse").await;
    assert_eq!(
        (app.bank.charges(), app.count("identities").await),
        (2, 1),
        "she may try again"
    );
}

#[tokio::test]
async fn too_late_without_a_charge_is_a_failure_and_no_refund() {
    let app = TestApp::start().await;
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    app.bank.fail_next(&[Fault::Unreachable; 500]);
    let (done, ()) = tokio::join!(ada.complete("correct horse", ""), async {
        app.until_states(&["paying"]).await;
        app.clock.advance(Duration::minutes(15));
        app.until_states(&["failed"]).await;
    });
    assert_eq!(done.expect_err("too late").id(), "signup.failed");
    assert_eq!((app.bank.charges(), app.bank.refunds()), (0, 0));
}

#[tokio::test]
async fn lost_races_change_nothing() {
    let test = TestDb::new().await;
    let flaky: FlakyProxy = test.flaky(0.1).await;
    let app = TestApp::over(test, flaky.db().await, true);
    let (ada, _) = Person::with_card(&app, "ada@example.com").await;
    complete_somehow(&app, &ada).await;
    assert!(flaky.failures() > 0, "some were injected");
    assert_eq!(
        (
            app.bank.charges(),
            app.auth.accounts().len(),
            app.count("namespaces").await
        ),
        (1, 1, 1)
    );
}

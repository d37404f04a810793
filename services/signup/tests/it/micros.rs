//! Micro's own clients, epochs A to E (reference/micro-wire §5).

use std::time::Duration;

use micro_error::{Error, Kind};
use micro_proto::signup::{
    CompleteSignupRequest, CompleteSignupResponse, HasPaymentMethodRequest, MailLinkRequest, Pages,
    SendVerificationEmailRequest, SetPaymentMethodRequest, Signup, VerifyRequest, VerifyResponse,
};
use micro_tenancy::Caller;
use micro_testkit::{authority, eventually, principal};

use crate::app::{Person, TestApp, codes, link, platform, read_link, somebody};

const ADA: &str = "ada@example.com";

async fn send(app: &TestApp) -> String {
    let before = app.mail.letters().len();
    let request = SendVerificationEmailRequest { email: ADA.into() };
    Signup::send_verification_email(&app.signup, &somebody(), request)
        .await
        .expect("sent");
    eventually("mailed", Duration::from_secs(20), async || {
        app.mail.letters().len() > before
    })
    .await;
    codes(&app.letter(ADA, "one-time token").await).0
}

async fn verify(app: &TestApp, token: &str) -> Result<VerifyResponse, Error> {
    let request = VerifyRequest {
        email: ADA.into(),
        token: token.into(),
    };
    Signup::verify(&app.signup, &somebody(), request).await
}

async fn has_card(app: &TestApp, token: &str) -> Result<bool, Error> {
    let request = HasPaymentMethodRequest { token: token.into() };
    Ok(Signup::has_payment_method(&app.signup, &somebody(), request).await?.has)
}

async fn complete(app: &TestApp, token: &str, secret: &str, payment: &str) -> Result<CompleteSignupResponse, Error> {
    let request = CompleteSignupRequest {
        email: ADA.into(),
        token: token.into(),
        payment_method_id: payment.into(),
        secret: secret.into(),
        namespace: String::new(),
    };
    Signup::complete_signup(&app.signup, &somebody(), request).await
}

/// In the browser, from the message in the terminal.
async fn pay(app: &TestApp, message: &str) -> String {
    let url = message
        .split_whitespace()
        .find(|word| word.starts_with("https://"))
        .expect("an address");
    let link = link(url.trim_end_matches('.'));
    Person {
        app,
        email: ADA,
        secret: String::new(),
    }
    .enter_card(&link)
    .await;
    read_link(app, &link).await.expect("a page").payment_token
}

#[tokio::test]
async fn epoch_e_polls_until_the_page_is_done() {
    let app = TestApp::start().await;
    let otp = send(&app).await;
    let verified = verify(&app, &otp).await.expect("verified");
    assert!(verified.payment_required && verified.auth_token.is_none() && verified.namespaces.is_empty());
    assert!(
        verified
            .message
            .starts_with("Please complete signup at https://micro.example/subscribe/")
    );
    assert!(
        verified
            .message
            .ends_with("This command will now wait for you to finish.")
    );
    assert!(!has_card(&app, &otp).await.expect("asked"));
    pay(&app, &verified.message).await;
    assert!(has_card(&app, &otp).await.expect("asked"));
    let done = complete(&app, &otp, "correct horse", "").await.expect("complete");
    assert_eq!(done.namespace.split('-').count(), 3);
    assert!(!done.auth_token.expect("a token").access_token.is_empty());
    assert_eq!(app.auth.accounts()[0].2, "correct horse");
}

#[tokio::test]
async fn epoch_d_pastes_the_payment_token() {
    let app = TestApp::start().await;
    let otp = send(&app).await;
    let verified = verify(&app, &otp).await.expect("verified");
    let token = pay(&app, &verified.message).await;
    assert_eq!(
        complete(&app, &otp, "correct horse", "pm_card_visa")
            .await
            .expect_err("not ours")
            .kind(),
        Kind::Forbidden
    );
    complete(&app, &otp, "correct horse", &token).await.expect("complete");
}

#[tokio::test]
async fn epoch_a_knows_no_passwords_and_gets_one_that_nobody_knows() {
    let app = TestApp::start().await;
    let otp = send(&app).await;
    let verified = verify(&app, &otp).await.expect("verified");
    let token = pay(&app, &verified.message).await;
    complete(&app, &otp, "", &token).await.expect("complete");
    assert_eq!(app.auth.accounts()[0].2.len(), 64);

    let again = send(&app).await;
    let known = verify(&app, &again).await.expect("known");
    assert!(known.auth_token.is_some(), "logged in at once");
    assert_eq!(known.namespace, app.auth.accounts()[0].0);
}

#[tokio::test]
async fn epoch_e_of_a_known_address_sets_a_password_and_pays_nothing() {
    let app = TestApp::start().await;
    let made = Person::ready(&app, ADA, "correct horse").await;
    let otp = send(&app).await;
    let verified = verify(&app, &otp).await.expect("verified");
    assert!(!verified.payment_required && verified.message.is_empty());
    let done = complete(&app, &otp, "battery staple", "").await.expect("complete");
    assert_eq!(done.namespace, made.namespace);
    assert_eq!(
        (app.auth.accounts()[0].2.as_str(), app.auth.logins(), app.bank.charges()),
        ("battery staple", 1, 1)
    );
}

#[tokio::test]
async fn a_token_is_good_for_nothing_before_it_was_verified() {
    let app = TestApp::start().await;
    let otp = send(&app).await;
    assert!(has_card(&app, &otp).await.is_err());
    let refused = complete(&app, &otp, "correct horse", "")
        .await
        .expect_err("not verified");
    assert_eq!(
        (refused.kind(), refused.message()),
        (Kind::Forbidden, "The token you provided is incorrect")
    );
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_unknown_addresses_look_the_same() {
    let app = TestApp::start().await;
    let otp = send(&app).await;
    let wrong = verify(&app, "ABCDEFGH").await.expect_err("wrong");
    let nobody = VerifyRequest {
        email: "eve@example.com".into(),
        token: "ABCDEFGH".into(),
    };
    let unknown = Signup::verify(&app.signup, &somebody(), nobody)
        .await
        .expect_err("unknown");
    assert_eq!((wrong.kind(), wrong.message()), (unknown.kind(), unknown.message()));
    for _ in 0..4 {
        assert!(verify(&app, "ABCDEFGH").await.is_err());
    }
    assert_eq!(verify(&app, &otp).await.expect_err("too many").kind(), Kind::TooMany);
    let empty = VerifyRequest {
        email: String::new(),
        token: otp,
    };
    assert_eq!(
        Signup::verify(&app.signup, &somebody(), empty)
            .await
            .expect_err("empty")
            .id(),
        "verify.email"
    );
}

#[tokio::test]
async fn another_persons_address_does_not_go_with_the_token() {
    let app = TestApp::start().await;
    let otp = send(&app).await;
    verify(&app, &otp).await.expect("verified");
    let request = CompleteSignupRequest {
        email: "eve@example.com".into(),
        token: otp,
        secret: "correct horse".into(),
        ..Default::default()
    };
    assert_eq!(
        Signup::complete_signup(&app.signup, &somebody(), request)
            .await
            .expect_err("not hers")
            .kind(),
        Kind::Forbidden
    );
}

#[tokio::test]
async fn nobody_sets_a_card_or_picks_a_namespace_here() {
    let app = TestApp::start().await;
    let otp = send(&app).await;
    verify(&app, &otp).await.expect("verified");
    for caller in [
        Caller::anonymous(),
        authority().verified(principal("ada-ns", "ada")),
        platform(),
    ] {
        let request = SetPaymentMethodRequest {
            email: ADA.into(),
            payment_method: "pm_card_visa".into(),
        };
        assert_eq!(
            Signup::set_payment_method(&app.signup, &caller, request)
                .await
                .expect_err("refused")
                .kind(),
            Kind::Forbidden
        );
    }
    assert!(!has_card(&app, &otp).await.expect("asked"));
    let request = CompleteSignupRequest {
        email: ADA.into(),
        token: otp,
        secret: "correct horse".into(),
        namespace: "bobs-ns".into(),
        ..Default::default()
    };
    assert_eq!(
        Signup::complete_signup(&app.signup, &somebody(), request)
            .await
            .expect_err("not invited")
            .id(),
        "signup.notallowed"
    );
}

#[tokio::test]
async fn epochs_a_to_c_have_their_link_mailed() {
    let app = TestApp::start().await;
    let mail_link = async || {
        let request = MailLinkRequest { email: ADA.into() };
        Pages::mail_link(&app.signup, &platform(), request)
            .await
            .expect("the same answer always");
    };
    mail_link().await;
    let otp = send(&app).await;
    mail_link().await;
    verify(&app, &otp).await.expect("verified");
    mail_link().await;
    let letter = app.letter(ADA, "waiting for a card").await;
    assert_eq!(app.mail.letters().len(), 2, "none before the address was proven");
    let token = pay(&app, &letter).await;
    complete(&app, &otp, "correct horse", &token).await.expect("complete");
    let again = Pages::mail_link(&app.signup, &platform(), MailLinkRequest { email: ADA.into() }).await;
    assert_eq!(again.expect_err("three an hour").kind(), Kind::TooMany);
}

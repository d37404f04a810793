//! `micro signup` and `micro login --otp`, talked to over pipes.

use crate::{
    fake::{CODE, Fake, GOOD_PAYMENT, NAMESPACE},
    terminal::Terminal,
};

const LINK: &str = "Please go to http://127.0.0.1:8082/subscribe/abc to subscribe ($35/month).";
const COMPLETE: &str = "\nSignup complete! You're now logged in.\n";

#[test]
fn the_terminal_goes_on_once_the_page_is_done() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let mut talk = ada.start(&["signup"], &format!("ada@example.com\n{CODE}\nsecret\nsecret\n"));
    talk.until(LINK);
    fake.attempt_is("card_stored", "");
    let (out, err, exit) = talk.end();
    assert_eq!((out, exit), (format!("\n{LINK}\n{COMPLETE}"), 0));
    assert_eq!(
        err,
        "Enter email address: Enter the OTP sent to your email address: Enter a new password: \nVerify your password: \n\
         Waiting for the subscription. A payment token on stdin is taken too.\n"
    );
    let complete = "complete ada@example.com secret ";
    assert_eq!(
        fake.asked("complete"),
        [complete, complete],
        "the password is checked before anybody pays"
    );
    assert_eq!(ada.run(&["user", "namespace"]).0, format!("{NAMESPACE}\n"));
    assert_eq!(ada.run(&["services"]).2, 0);
}

#[test]
fn a_pasted_token_does_it_too_and_a_declined_one_can_be_retried() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let mut talk = ada.start(
        &["signup", "--email", "ada@example.com", "--password", "secret"],
        &format!("{CODE}\n"),
    );
    talk.until(LINK);
    talk.say("pt_bad\n");
    talk.until(LINK);
    talk.say(&format!("\n{GOOD_PAYMENT}\n"));
    let (out, err, exit) = talk.end();
    assert_eq!((out, exit), (format!("\n{LINK}\n\n{LINK}\n{COMPLETE}"), 0));
    assert_eq!(err.matches("Your card was declined.\n").count(), 1, "{err}");
    assert_eq!(fake.asked("complete").len(), 3);
}

#[test]
fn a_decline_on_the_page_is_told_and_waited_on() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let mut talk = ada.start(
        &["login", "--otp", "ada@example.com", "--password", "secret"],
        &format!("{CODE}\n"),
    );
    talk.until(LINK);
    fake.attempt_is("payment_pending", "Your bank said no.");
    talk.until(LINK);
    fake.attempt_is("card_stored", "");
    let (out, err, exit) = talk.end();
    assert!(out.ends_with(COMPLETE) && exit == 0, "{out} {err}");
    assert!(err.contains("Your bank said no.\n"), "{err}");
}

#[test]
fn an_attempt_that_ends_says_why() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let mut talk = ada.start(
        &["signup", "--email", "ada@example.com", "--password", "secret"],
        &format!("{CODE}\n"),
    );
    talk.until(LINK);
    fake.attempt_is("expired", "");
    let (_, err, exit) = talk.end();
    assert!(
        err.ends_with("This signup has expired: run `micro signup` again\n") && exit == 1,
        "{err}"
    );
}

#[test]
fn a_known_address_logs_in_with_the_code_alone() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let (out, _, exit) = ada.run_with(&["login", "--otp", "known@example.com"], &format!("{CODE}\n"));
    assert_eq!((out.as_str(), exit), ("Successfully logged in.\n", 0));
    assert!(fake.asked("complete").is_empty());
}

#[test]
fn a_known_address_that_signs_up_sets_a_new_password_and_pays_nothing() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let (out, _, exit) = ada.run_with(
        &["signup", "--email", "known@example.com"],
        &format!("{CODE}\nnew\nnew\n"),
    );
    assert_eq!((out.as_str(), exit), (COMPLETE, 0));
    assert_eq!(fake.asked("complete"), ["complete known@example.com new "]);
}

#[test]
fn a_wrong_code_and_missing_answers_end_it() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let signup = ["signup", "--email", "ada@example.com"];
    let (_, err, exit) = ada.run_with(&signup, "nope\n");
    assert!(
        err.ends_with("The token you provided is invalid\n") && exit == 1,
        "{err}"
    );
    let (_, err, exit) = ada.run_with(&signup, "");
    assert!(
        err.ends_with("no more input: pass the code from the mail on stdin\n") && exit == 1,
        "{err}"
    );
    let (_, err, exit) = ada.run_with(&signup, &format!("{CODE}\n"));
    assert!(err.ends_with("no more input: pass --password\n") && exit == 1, "{err}");
    let (_, err, exit) = ada.run_with(&signup, &format!("{CODE}\none\ntwo\n"));
    assert!(
        err.contains("Passwords do not match. Please try again.\n") && exit == 1,
        "{err}"
    );
}

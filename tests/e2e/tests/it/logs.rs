//! What must never be in the server's log, at any level: whatever names a person, or opens a door.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use micro_e2e::{
    home::Home,
    mailbox,
    operator::{Operator, secret},
    platform::{Options, Platform},
    signup::{DECLINED_CARD, GOOD_CARD, sign_up_to_the_page},
    walk::root,
};
use serde::Deserialize;

const EMAIL: &str = "canary.ada@example.com";
const WORDS: &str = "canary-in-a-message";

/// Everything that is looked for, by what it is.
type Canaries = BTreeMap<&'static str, String>;

/// Signs up, runs and calls a service, comes back, and gets some of it wrong on the way.
fn live(platform: &Platform) -> Result<Canaries> {
    let mut canaries = Canaries::from([
        ("the address", EMAIL.to_owned()),
        ("its first half", "canary.ada".to_owned()),
        ("what a call says", WORDS.to_owned()),
        ("the card", GOOD_CARD.to_owned()),
        ("the declined card", DECLINED_CARD.to_owned()),
        ("the operator secret", secret(platform)?),
    ]);
    let mut ada = sign_up_to_the_page(platform, EMAIL)?;
    canaries.insert("the password", ada.password.clone());
    canaries.insert("the code", ada.code.clone());
    let letter = mailbox::letter(platform, EMAIL, "short form")?;
    let short = letter
        .split_whitespace()
        .find(|w| w.len() == 9 && w.as_bytes()[4] == b'-');
    canaries.insert("the code's short form", short.context("a short form")?.to_owned());
    let link = ada.address.rsplit('/').next().context("a link")?;
    canaries.insert("the subscribe link", link.to_owned());
    ada.talk.say("pt_canary0canary0canary0canary0canary0canary")?;
    canaries.insert("a wrong payment token", "pt_canary0".to_owned());
    ada.talk.expect("The payment token you provided is invalid")?;
    // The terminal lies still meanwhile: otherwise it may go on before the browser is back, and no token is shown.
    micro_e2e::platform::signal(ada.talk.pid(), "STOP")?;
    canaries.insert(
        "the payment token",
        ada.enter_card(platform, &[DECLINED_CARD, GOOD_CARD])?,
    );
    micro_e2e::platform::signal(ada.talk.pid(), "CONT")?;
    let ada = ada.done()?;

    let wrong = platform.home()?;
    let refused = wrong.run(&["login", "--email", EMAIL, "--password", "canary-of-a-wrong-password"])?;
    ensure!(refused.exit != 0, "{refused:?}");
    canaries.insert("a wrong password", "canary-of-a-wrong-password".to_owned());
    ada.home
        .run(&["run", &root().join("examples/greeter").display().to_string()])?
        .ok()?;
    let request = format!(r#"{{"name":"{WORDS}"}}"#);
    ada.home.run(&["call", "greeter", "Greeter.Hello", &request])?.ok()?;
    let Tokens {
        access_token,
        refresh_token,
    } = tokens(&ada.home)?;
    canaries.insert("the access token", access_token.clone());
    canaries.insert("the refresh token", refresh_token);
    let url = format!("http://{}/greeter/hello?name={WORDS}", platform.at.api);
    let http = reqwest::blocking::Client::builder()
        .timeout(std::time::Duration::from_secs(10))
        .build()?;
    http.get(url).bearer_auth(&access_token).send()?.error_for_status()?;

    let operator = Operator::new(platform)?;
    ensure!(
        operator.log_in("canary-of-a-wrong-secret")?.exit != 0,
        "a wrong secret logs in"
    );
    canaries.insert("a wrong operator secret", "canary-of-a-wrong-secret".to_owned());
    operator.log_in(&secret(platform)?)?.ok()?;
    canaries.insert("an operator's token", operator.token()?);
    operator.ask(&["customers", "show", EMAIL])?;
    ada.home.run(&["logout"])?.ok()?;
    Ok(canaries)
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
}

/// Those that the terminal keeps: a key, a colon and base64 of JSON a line.
fn tokens(home: &Home) -> Result<Tokens> {
    let file = fs::read_to_string(home.path().join(".micro/tokens"))?;
    let last = file.trim_end().rsplit(':').next().context("a login")?;
    Ok(serde_json::from_slice(&BASE64_STANDARD.decode(last)?)?)
}

#[test]
fn no_address_and_no_secret_is_logged_at_any_level() -> Result<()> {
    let env = vec![("MICRO_LOG".to_owned(), "warn,micro=trace".to_owned())];
    let mut platform = Platform::start(Options { env })?;
    let canaries = live(&platform)?;
    let admin = platform.at.admin.context("a door")?;
    let metrics = reqwest::blocking::get(format!("http://{admin}/metrics"))?.text()?;
    platform.interrupt()?;

    let log = platform.log();
    // A log that says nothing would hide everything.
    ensure!(log.lines().count() > 20 && log.contains("namespace"), "{log}");
    for (where_, text) in [("log", &log), ("metrics", &metrics)] {
        let found: Vec<_> = canaries.iter().filter(|(_, canary)| text.contains(*canary)).collect();
        let lines = text
            .lines()
            .filter(|l| found.iter().any(|(_, canary)| l.contains(*canary)));
        ensure!(
            found.is_empty(),
            "in the {where_}: {found:?}\n{}",
            lines.collect::<Vec<_>>().join("\n")
        );
    }
    Ok(())
}

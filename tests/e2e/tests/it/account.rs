//! What a namespace uses of its plan, and the keys that seal its secrets.

use std::fs;

use anyhow::{Context, Result, ensure};
use micro_config::KeyRing;
use micro_e2e::{
    home::Home,
    operator::Operator,
    platform::{Options, Platform},
    signup::{Customer, GOOD_CARD, sign_up},
};
use secrecy::ExposeSecret;
use serde_json::Value;

fn customer(platform: &mut Platform, email: &str) -> Result<Customer> {
    let home = platform.home()?;
    sign_up(platform, home, email, &[GOOD_CARD])
}

/// How much of a limit is in use, as one service counts it.
pub fn used(who: &Home, limit: &str, service: &str) -> Result<u64> {
    let said = who.run(&["account", "usage", "--output", "json"])?.ok()?.stdout;
    let limits: Value = serde_json::from_str(&said)?;
    let row = limits
        .as_array()
        .context("a list")?
        .iter()
        .find(|row| row["name"] == limit && row["service"] == service);
    row.and_then(|row| row["used"].as_u64())
        .with_context(|| format!("{service} counts no {limit}: {said}"))
}

#[test]
fn usage_is_what_is_there_and_ones_own() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let ada = customer(&mut platform, "ada@example.com")?;
    let bob = customer(&mut platform, "bob@example.com")?;
    let counted = [
        ("accounts", "auth", 1, 2),
        ("rules", "auth", 0, 2),
        ("records", "store", 0, 1),
        ("services", "runtime", 0, 0),
    ];
    for (limit, service, before, _) in counted {
        ensure!(used(&ada.home, limit, service)? == before, "{limit} before");
    }
    for command in [
        &["auth", "create", "account", "robot"][..],
        &["auth", "create", "rule", "--resource", "service:greeter:*", "open"],
        &["store", "write", "key", "value"],
        &["config", "set", "a.b", "text"],
    ] {
        ada.home.run(command)?.ok()?;
    }
    for (limit, service, before, after) in counted {
        ensure!(used(&ada.home, limit, service)? == after, "{limit} after");
        ensure!(used(&bob.home, limit, service)? == before, "{limit} of a neighbour");
    }
    ensure!(used(&ada.home, "config.bytes", "config")? > 0 && used(&bob.home, "config.bytes", "config")? == 0);
    ensure!(used(&ada.home, "records.bytes", "store")? > 0 && used(&bob.home, "records.bytes", "store")? == 0);

    let table = ada.home.run(&["account", "usage"])?.ok()?.stdout;
    ensure!(table.contains("\nvalue.bytes") && table.contains("1 MiB"), "{table}");
    let stranger = ada.home.run(&["account", "usage", "--namespace", &bob.namespace])?;
    ensure!(
        stranger.exit != 0 && stranger.stderr.contains("Access denied to namespace"),
        "{stranger:?}"
    );
    Ok(())
}

#[test]
fn a_colleague_is_let_in_works_and_is_out_at_once() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let ada = customer(&mut platform, "ada@example.com")?;
    let made = ada.home.run(&[
        "auth",
        "create",
        "account",
        "--secret",
        "battery staple",
        "--scopes",
        "deploys",
        "--metadata",
        "team=ops",
        "jane",
    ])?;
    ensure!(made.ok()?.stdout.contains(r#""scopes":["deploys"]"#));
    let listed = ada
        .home
        .run(&["auth", "list", "accounts", "--output", "json"])?
        .ok()?
        .stdout;
    let listed: Value = serde_json::from_str(&listed)?;
    let jane = listed.as_array().context("a list")?.iter().find(|a| a["id"] == "jane");
    ensure!(jane.is_some_and(|jane| jane["metadata"]["team"] == "ops"), "{listed}");

    let terminal = platform.home()?;
    let login = ["login", "--username", "jane", "--password", "battery staple"];
    let lost = terminal.run(&login)?;
    ensure!(
        lost.exit != 0 && lost.stderr == "Account or secret not correct\n",
        "{lost:?}"
    );
    terminal.run(&["user", "namespace", "set", &ada.namespace])?.ok()?;
    terminal.run(&login)?.ok()?;
    ensure!(terminal.run(&["user"])?.ok()?.stdout == "jane\n");
    terminal.run(&["auth", "list", "rules"])?.ok()?;
    for denied in [
        &["auth", "list", "accounts"][..],
        &["auth", "create", "rule", "--resource", "*:*:*", "mine"],
        &["config", "get", "--secret", "db"],
        &["store", "write", "k", "v"],
    ] {
        let refused = terminal.run(denied)?;
        ensure!(refused.exit != 0, "{denied:?}: {refused:?}");
    }
    let mistyped = terminal.run(&[
        "user",
        "set",
        "password",
        "--old-password",
        "nope",
        "--new-password",
        "x",
    ])?;
    ensure!(mistyped.stderr == "Secret not correct\n", "{mistyped:?}");
    // Without knowing hers, as an administrator may.
    let reset = [
        "user",
        "set",
        "password",
        "--email",
        "jane",
        "--new-password",
        "correct horse",
    ];
    ada.home.run(&reset)?.ok()?;
    ensure!(terminal.run(&["user"])?.exit != 0, "her sessions end with her password");
    let login = ["login", "--username", "jane", "--password", "correct horse"];
    terminal.run(&login)?.ok()?;

    ada.home.run(&["auth", "delete", "account", "jane"])?.ok()?;
    ensure!(
        terminal.run(&["auth", "list", "rules"])?.exit != 0,
        "she is out at once"
    );
    ensure!(terminal.run(&login)?.exit != 0, "and does not come back");
    let own = ada.home.run(&["user", "--output", "json"])?.ok()?.stdout;
    let own: Value = serde_json::from_str(&own)?;
    let own = own["id"].as_str().context("an id")?;
    let refused = ada.home.run(&["auth", "delete", "account", own])?;
    ensure!(refused.stderr.contains("Can't delete your own account"), "{refused:?}");
    Ok(())
}

#[test]
fn a_config_key_is_changed_with_one_command_and_the_old_one_can_go() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let ada = customer(&mut platform, "ada@example.com")?;
    ada.home
        .run(&["config", "set", "--secret", "db.password", "hunter2"])?
        .ok()?;
    ada.home.run(&["config", "set", "--secret", "db.user", "ada"])?.ok()?;
    let operator = Operator::logged_in(&platform)?;
    let read =
        |ada: &Customer| -> Result<String> { Ok(ada.home.run(&["config", "get", "--secret", "db"])?.ok()?.stdout) };

    let file = platform.data_dir().join("keys/config");
    let (old, new) = (fs::read_to_string(&file)?, KeyRing::generate());
    platform.interrupt()?;
    fs::write(&file, format!("{},{}", new.expose_secret(), old.trim()))?;
    platform.boot()?;
    ensure!(read(&ada)?.contains("hunter2"), "the key before opens");
    let unreasoned = operator.run(&["secrets", "rotate"])?;
    ensure!(unreasoned.exit != 0, "{unreasoned:?}");
    let done = operator.ask(&["secrets", "rotate", "--reason", "the test wants it"])?;
    ensure!(done["sealed"] == 2 && done["failed"] == 0, "{done}");
    let again = operator.ask(&["secrets", "rotate", "--reason", "to be sure"])?;
    ensure!(again["sealed"] == 0 && again["failed"] == 0, "{again}");

    platform.interrupt()?;
    fs::write(&file, new.expose_secret())?;
    platform.boot()?;
    ensure!(read(&ada)?.contains("hunter2"), "the old key is gone");
    ensure!(!platform.log().contains("hunter2"), "a secret in the log");
    Ok(())
}

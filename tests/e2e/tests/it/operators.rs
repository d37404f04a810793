//! The operators' door: who is let in, what they see, and that nothing of it is on a tenant's door.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use micro_client::{Client, Endpoint};
use micro_e2e::{
    operator::{Operator, secret},
    platform::{Options, Platform},
    signup::{Customer, GOOD_CARD, sign_up},
};
use micro_error::Kind;
use micro_proto::operators::{Customers, CustomersClient, ListCustomersRequest};
use micro_tenancy::{Caller, Metadata};
use reqwest::blocking;
use serde_json::Value;

fn customer(platform: &mut Platform, email: &str) -> Result<Customer> {
    let home = platform.home()?;
    sign_up(platform, home, email, &[GOOD_CARD])
}

fn has_row(rows: &Value, field: &str, value: &str) -> bool {
    rows.as_array()
        .is_some_and(|rows| rows.iter().any(|row| row[field] == value))
}

#[test]
fn the_secret_is_printed_at_the_first_start_only() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let first = secret(&platform)?;
    platform.interrupt()?;
    platform.boot()?;
    platform.kill()?;
    platform.boot()?;
    // `secret` fails where a second start prints one.
    ensure!(secret(&platform)? == first, "another secret");
    ensure!(
        platform.banner().matches("is serving").count() == 3,
        "{}",
        platform.banner()
    );
    Operator::logged_in(&platform)?.ask(&["customers", "list"])?;
    Ok(())
}

#[test]
fn operators_see_customers_namespaces_and_jobs() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let ada = customer(&mut platform, "ada@example.com")?;
    let operator = Operator::new(&platform)?;

    let refused = operator.run(&["customers", "list"])?;
    ensure!(
        refused.exit == 2 && refused.stderr.contains("micro-admin login"),
        "{refused:?}"
    );
    let refused = operator.log_in("not the secret")?;
    ensure!(refused.exit != 0, "{refused:?}");
    ensure!(
        operator.run(&["customers", "list"])?.exit == 2,
        "a wrong secret logs in"
    );

    operator.log_in(&secret(&platform)?)?.ok()?;
    let customers = operator.ask(&["customers", "list"])?;
    ensure!(has_row(&customers, "email", &ada.email), "{customers}");
    let shown = operator.ask(&["customers", "show", &ada.email])?;
    ensure!(
        shown["subscription_status"] == "active" && shown["namespace"] == ada.namespace.as_str(),
        "{shown}"
    );
    let namespaces = operator.ask(&["namespaces", "list"])?;
    ensure!(has_row(&namespaces, "name", &ada.namespace), "{namespaces}");
    let shown = operator.ask(&["namespaces", "show", &ada.namespace])?;
    ensure!(shown["namespace"]["state"] == "active", "{shown}");
    ensure!(has_row(&shown["customers"], "email", &ada.email), "{shown}");

    let jobs = operator.ask(&["jobs", "list"])?;
    let waiting = jobs.as_array().context("a list")?.iter().find(|j| j["state"] == "due");
    let id = waiting
        .and_then(|j| j["id"].as_str())
        .context("a job that waits for its time")?;
    ensure!(
        operator.run(&["jobs", "retry", id])?.exit != 0,
        "a retry without a reason"
    );
    operator
        .run(&["jobs", "retry", id, "--reason", "the test wants it"])?
        .ok()?;
    ensure!(
        operator.run(&["customers", "show", "nobody@example.com"])?.exit != 0,
        "nobody is shown"
    );
    Ok(())
}

#[test]
fn tenants_and_operators_do_not_meet() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let ada = customer(&mut platform, "ada@example.com")?;
    let operator = Operator::logged_in(&platform)?;
    let theirs = operator.token()?;
    let hers = ada.home.run(&["user", "token"])?.ok()?.stdout.trim().to_owned();

    let login = format!(r#"{{"secret":"{}"}}"#, secret(&platform)?);
    for (method, request) in [
        ("Operators.Login", login.as_str()),
        ("Customers.List", "{}"),
        ("Customers.Show", r#"{"email":"ada@example.com"}"#),
        ("Namespaces.List", "{}"),
        ("Jobs.List", "{}"),
    ] {
        let called = ada.home.run(&["call", "operators", method, request])?;
        ensure!(
            called.exit != 0 && called.stderr.contains("not found"),
            "{method}: {called:?}"
        );
        for token in [&hers, &theirs] {
            let url = format!("http://{}/operators/{}", platform.at.api, method.replace('.', "/"));
            let answer = http()?.post(url).bearer_auth(token).body(request.to_owned()).send()?;
            ensure!(
                [401, 404].contains(&answer.status().as_u16()),
                "{method}: {}",
                answer.status()
            );
        }
    }
    let refused = Operator::at(&platform, platform.at.proxy)?.log_in(&secret(&platform)?)?;
    ensure!(refused.exit != 0, "an operator logs in at the tenants' door");

    let door = Endpoint::parse(&platform.at.admin.context("a door")?.to_string())?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let customers = CustomersClient::new(Client::new(door));
        for token in [None, Some(hers.clone().into())] {
            let caller = Caller::outgoing(token, Metadata::new());
            let listed = customers.list(&caller, ListCustomersRequest::default()).await;
            let refused = listed.err().context("a stranger sees customers")?;
            ensure!(
                matches!(refused.kind(), Kind::Unauthenticated | Kind::Forbidden),
                "{refused:?}"
            );
        }
        Ok(())
    })
}

#[test]
fn health_and_metrics_are_on_the_operators_door_only() -> Result<()> {
    let platform = Platform::start(Options::default())?;
    let admin = platform.at.admin.context("a door")?;
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = http()?.get(format!("http://{admin}{path}")).send()?;
        ensure!(answer.status() == 200, "{path}: {}", answer.status());
        let others = [Some(platform.at.api), Some(platform.at.proxy), platform.at.web];
        for door in others.into_iter().flatten() {
            ensure!(!answers(door, path)?, "{path} on {door}");
        }
    }
    let metrics = http()?.get(format!("http://{admin}/metrics")).send()?.text()?;
    ensure!(metrics.ends_with("# EOF\n"), "{metrics}");
    Ok(())
}

/// Whether a door has something there. The command line's does not even speak HTTP/1.
fn answers(door: SocketAddr, path: &str) -> Result<bool> {
    let asked = http()?.get(format!("http://{door}{path}")).send();
    Ok(asked.is_ok_and(|answer| answer.status().is_success()))
}

fn http() -> Result<blocking::Client> {
    Ok(blocking::Client::builder().timeout(Duration::from_secs(10)).build()?)
}

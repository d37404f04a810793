//! What differs between one person's server and the platform, as their users meet it: this table, and nothing else
//! that is known. (Auth's own part stands in services/auth/tests/it/profiles.rs.)

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use micro_e2e::{
    home::Home,
    local::Local,
    platform::{Options, Platform},
    server::Addresses,
    signup::{GOOD_CARD, sign_up},
};
use serde_json::Value;

const TABLE: &str = "\
admin logs in with micro           | Successfully logged in.    | Account or secret not correct
the first rule is for              | everybody                  | accounts of the namespace
an access token lasts              | 60 minutes                 | 15 minutes
an administrator enters elsewhere  | yes                        | Access denied to namespace
a service by hand registers        | yes                        | only a running instance may register a service
the API under another site's name  | 403                        | 401
sign-up                            | no                         | yes
pages                              | no                         | yes
an operators' door                 | no                         | yes
a door for services by hand        | yes                        | no
";

/// One server's answers, in the table's order.
fn column(terminal: &Home, stranger: &Home, at: &Addresses) -> Result<Vec<String>> {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    Ok(vec![
        said(stranger, &["login", "--username", "admin", "--password", "micro"])?,
        first_rule(terminal)?,
        lifetime(terminal)?,
        or_yes(terminal, &["auth", "list", "rules", "--namespace", "elsewhere"])?,
        or_yes(terminal, &["call", "registry", "Registry.Register", REGISTRATION])?,
        another_sites(at)?,
        yes(!said(stranger, &["call", "signup", "Session.Start", "{}"])?.contains("not found")),
        yes(at.web.is_some()),
        yes(at.admin.is_some()),
        yes(at.network.is_some()),
    ])
}

const REGISTRATION: &str =
    r#"{"name":"mine","version":"latest","nodes":[{"id":"mine-1","address":"127.0.0.1:9"}],"options":{"ttl":"90"}}"#;

/// What a command prints, be it well or not.
fn said(home: &Home, command: &[&str]) -> Result<String> {
    let done = home.run(command)?;
    let words = if done.exit == 0 { done.stdout } else { done.stderr };
    Ok(words.trim().to_owned())
}

/// `yes`, or why not: the error's own words, where it is one of a service.
fn or_yes(home: &Home, command: &[&str]) -> Result<String> {
    let done = home.run(command)?;
    if done.exit == 0 {
        return Ok("yes".to_owned());
    }
    let json = done.stderr.find('{').map(|at| &done.stderr[at..]);
    let error: Option<Value> = json.and_then(|json| serde_json::from_str(json.trim()).ok());
    let detail = error.and_then(|e| e["Detail"].as_str().map(str::to_owned));
    Ok(detail.unwrap_or_else(|| done.stderr.trim().to_owned()))
}

fn first_rule(home: &Home) -> Result<String> {
    let rules: Value = serde_json::from_str(&home.run(&["auth", "list", "rules", "--output", "json"])?.ok()?.stdout)?;
    Ok(match rules[0]["scope"].as_str().context("a rule")? {
        "" => "everybody".to_owned(),
        "*" => "accounts of the namespace".to_owned(),
        other => other.to_owned(),
    })
}

fn lifetime(home: &Home) -> Result<String> {
    let token = home.run(&["user", "token"])?.ok()?.stdout;
    let claims = token.split('.').nth(1).context("a token of three parts")?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    let time = |name: &str| claims[name].as_i64().with_context(|| format!("{name} in {claims}"));
    Ok(format!("{} minutes", (time("exp")? - time("iat")?) / 60))
}

/// What a page of some site gets that makes a browser here call the API under the site's own name.
fn another_sites(at: &Addresses) -> Result<String> {
    let answer = reqwest::blocking::Client::new()
        .get(format!("http://{}/greeter/hello", at.api))
        .header("host", "evil.example")
        .send()?;
    Ok(answer.status().as_u16().to_string())
}

/// Every limit, and how much it allows.
fn limits(home: &Home) -> Result<Vec<(String, u64)>> {
    let limits: Value = serde_json::from_str(&home.run(&["account", "usage", "--output", "json"])?.ok()?.stdout)?;
    let row = |row: &Value| Some((row["name"].as_str()?.to_owned(), row["max"].as_u64()?));
    limits
        .as_array()
        .and_then(|limits| limits.iter().map(row).collect())
        .with_context(|| limits.to_string())
}

#[test]
fn a_local_server_and_the_platform_differ_in_this() -> Result<()> {
    let (local, mut platform) = (Local::start(&[])?, Platform::start(Options::default())?);
    let admin = local.admin()?;
    let home = platform.home()?;
    let ada = sign_up(&mut platform, home, "ada@example.com", &[GOOD_CARD])?;
    let ada = ada.home;

    let here = column(&admin, &local.admin()?, &local.at)?;
    let there = column(&ada, &platform.home()?, &platform.at)?;
    let questions = TABLE.lines().filter_map(|line| line.split('|').next());
    let rows = questions.zip(here.iter().zip(&there));
    let table: String = rows
        .map(|(question, (here, there))| format!("{question:35}| {here:<27}| {there}\n"))
        .collect();
    println!("{table}");
    ensure!(here.len() == TABLE.lines().count() && table == TABLE, "{table}");
    ensure!(limits(&admin)? == limits(&ada)?, "limits are the plan's everywhere");
    Ok(())
}

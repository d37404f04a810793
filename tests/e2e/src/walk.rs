//! The walk: everything a person does on the first day, step by step, with the milliseconds each step took.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    greeter,
    home::Home,
    mailbox,
    platform::{Platform, eventually},
    signup::{Customer, DECLINED_CARD, GOOD_CARD, SECURE_CARD, sign_up},
};

/// The repository's root: examples lie there. Whoever cannot read it names a copy.
pub fn root() -> PathBuf {
    if let Some(copy) = std::env::var_os("MICRO_E2E_REPOSITORY") {
        return copy.into();
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository")
}

/// One step of the walk, done.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was done.
    pub what: String,
    /// How long it took.
    pub took: Duration,
}

/// Runs steps, times them, and tells each as it is done.
pub struct Walk<'p> {
    platform: &'p mut Platform,
    steps: Vec<Step>,
    tell: fn(&Step),
}

impl<'p> Walk<'p> {
    /// A walk over a running platform.
    pub fn over(platform: &'p mut Platform, tell: fn(&Step)) -> Self {
        Self {
            platform,
            steps: vec![],
            tell,
        }
    }

    fn step<T>(&mut self, what: &str, act: impl FnOnce(&mut Platform) -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let done = act(self.platform).with_context(|| what.to_owned())?;
        let step = Step {
            what: what.into(),
            took: began.elapsed(),
        };
        (self.tell)(&step);
        self.steps.push(step);
        Ok(done)
    }

    /// The whole first day of two customers.
    pub fn all(mut self) -> Result<Vec<Step>> {
        let started = Step {
            what: "the platform starts from nothing".into(),
            took: self.platform.started_in,
        };
        (self.tell)(&started);
        self.steps.push(started);
        let home = self.step("a stranger is told to log in", not_logged_in)?;
        let ada = self.step("ada signs up: a declined card, then a 3-D Secure one", |p| {
            sign_up(p, home, "ada@example.com", &[DECLINED_CARD, SECURE_CARD])
        })?;
        self.step("her subscription is live: $35 a month, charged once", |p| {
            charged_once(p, &ada)
        })?;
        self.step("micro run examples/greeter: build, start, register", |p| {
            greeter::run(p, &ada)
        })?;
        self.step("what it offers, where it is, how it is", |p| greeter::look_at(p, &ada))?;
        self.step("it is called in four ways", |p| greeter::call(p, &ada))?;
        self.step("its logs, once and following", |_| greeter::read_logs(&ada))?;
        self.step("update to a changed source, while it serves", |p| {
            greeter::update(p, &ada)
        })?;
        self.step("run from git: a branch, a commit, another name", |p| {
            greeter::run_from_git(p, &ada)
        })?;
        self.step("a build that fails says why", |_| greeter::failing_build(&ada))?;
        self.step("a second terminal: password, then mailed code", |p| {
            second_terminal(p, &ada)
        })?;
        let bob = self.step("bob signs up", |p| {
            let home = p.home()?;
            sign_up(p, home, "bob@example.com", &[GOOD_CARD])
        })?;
        self.step("bob's greeter and ada's do not meet", |p| strangers(p, &ada, &bob))?;
        self.step("kill", |_| greeter::kill(&ada))?;
        self.step("the platform stops on Ctrl-C", stops_cleanly)?;
        Ok(self.steps)
    }
}

fn not_logged_in(platform: &mut Platform) -> Result<Home> {
    let home = platform.home()?;
    let refused = home.run(&["run", &greeter::source()])?;
    let expected = format!("Not logged in to env 'home' hosted at '{}'.", platform.at.proxy);
    ensure!(refused.stderr.contains(&expected) && refused.exit == 2, "{refused:?}");
    ensure!(refused.stderr.contains("Please see `micro login help`"), "{refused:?}");
    Ok(home)
}

fn charged_once(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let subscriptions = platform.stripe_get("/v1/subscriptions?limit=100")?;
    let live: Vec<&Value> = subscriptions["data"]
        .as_array()
        .context("a list")?
        .iter()
        .filter(|s| s["status"] == "active")
        .collect();
    ensure!(live.len() == 1, "{} has {} live subscriptions", ada.email, live.len());
    let price = &live[0]["items"]["data"][0]["price"];
    ensure!(
        price["unit_amount"] == 3500 && price["recurring"]["interval"] == "month",
        "{price}"
    );
    let invoices = platform.stripe_get("/v1/invoices?limit=100")?;
    let paid: Vec<_> = invoices["data"]
        .as_array()
        .context("a list")?
        .iter()
        .filter(|i| i["status"] == "paid")
        .collect();
    ensure!(paid.len() == 1 && paid[0]["amount_paid"] == 3500, "{invoices}");
    Ok(())
}

fn second_terminal(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let by_password = platform.home()?;
    by_password
        .run(&["login", "--email", &ada.email, "--password", &ada.password])?
        .ok()?;
    let by_code = platform.home()?;
    let mut talk = by_code.start(&["login", "--otp", &ada.email])?;
    talk.expect("Enter the OTP sent to your email address: ")?;
    let letter = mailbox::letter(platform, &ada.email, "10 minutes")?;
    talk.say(&mailbox::code(&letter)?)?;
    talk.finish()?.ok()?;
    for home in [&by_password, &by_code] {
        let namespace = home.run(&["user", "namespace"])?.ok()?.stdout;
        ensure!(
            namespace.trim() == ada.namespace,
            "{namespace} is not {}",
            ada.namespace
        );
        ensure!(
            home.run(&["services"])?.ok()?.stdout.contains("greeter"),
            "the same services"
        );
    }
    let token = by_code.run(&["user", "token"])?.ok()?.stdout.trim().to_owned();
    by_code.run(&["logout"])?.ok()?;
    let http = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("http://{}/greeter/hello?name=Ada", platform.at.api);
    eventually("the token is dead on the server", Duration::from_secs(5), || {
        Ok((http.get(&url).bearer_auth(&token).send()?.status() == 401).then_some(()))
    })?;
    ensure!(by_code.run(&["services"])?.exit == 2, "logged out");
    by_password.run(&["services"])?.ok()?;
    Ok(())
}

fn strangers(platform: &mut Platform, ada: &Customer, bob: &Customer) -> Result<()> {
    ensure!(bob.namespace != ada.namespace, "two customers, one namespace");
    ensure!(
        bob.home.run(&["services"])?.ok()?.stdout.trim().is_empty(),
        "bob sees services"
    );
    ensure!(
        !bob.home.run(&["status"])?.ok()?.stdout.contains("greeter"),
        "bob sees ada's status"
    );
    ensure!(
        bob.home.run(&["call", "greeter", "Greeter.Hello", "{}"])?.exit == 4,
        "bob reaches ada's greeter"
    );
    ensure!(
        bob.home.run(&["network", "routes"])?.ok()?.stdout.is_empty(),
        "bob sees routes"
    );
    let hers = bob.home.run(&["network", "routes", "--network", &ada.namespace])?;
    ensure!(
        hers.exit == 127 && hers.stderr.contains("Access denied to namespace"),
        "{hers:?}"
    );
    ensure!(bob.home.run(&["logs", "greeter"])?.exit != 0, "bob reads ada's logs");
    ensure!(bob.home.run(&["kill", "greeter"])?.exit != 0, "bob kills ada's greeter");
    let token = bob.home.run(&["user", "token"])?.ok()?.stdout.trim().to_owned();
    let http = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("http://{}/greeter/hello?name=Bob", platform.at.api);
    let across = http
        .get(&url)
        .bearer_auth(&token)
        .header("micro-namespace", &ada.namespace)
        .send()?;
    let nowhere = http
        .get(&url)
        .bearer_auth(&token)
        .header("micro-namespace", "no-such-place")
        .send()?;
    ensure!(
        across.status() == 403 && nowhere.status() == 403,
        "{} {}",
        across.status(),
        nowhere.status()
    );
    ensure!(
        across.text()? == nowhere.text()?,
        "the answer tells whether a namespace exists"
    );

    let dir = tempfile::tempdir()?;
    let bobs = greeter::saying("Yo", dir.path())?;
    bob.home.run(&["run", &bobs.display().to_string()])?.ok()?;
    greeter::says(
        &bob.home.run(&["greeter", "hello", "--name", "Bob"])?.ok()?.stdout,
        "Yo Bob",
    )?;
    greeter::says(
        &ada.home.run(&["greeter", "hello", "--name", "Ada"])?.ok()?.stdout,
        "Welcome Ada",
    )?;
    bob.home.run(&["kill", "greeter"])?.ok()?;
    Ok(())
}

fn stops_cleanly(platform: &mut Platform) -> Result<()> {
    let (took, status) = platform.interrupt()?;
    ensure!(status.code() == Some(0), "{status}: {}", platform.log());
    ensure!(took < Duration::from_secs(5), "it took {took:?}");
    Ok(())
}

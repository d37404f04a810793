//! The walk: everything a person does on the first day, step by step, with the milliseconds each step took.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    home::{Home, Talk},
    mailbox,
    page::{Browser, Page},
    platform::{Platform, Process, eventually},
};

/// Cards of Stripe's test data.
pub const GOOD_CARD: &str = "4242424242424242";
/// Declined at once.
pub const DECLINED_CARD: &str = "4000000000000002";
/// Asks for 3-D Secure once, when it is stored.
pub const SECURE_CARD: &str = "4000002500003155";

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

/// A customer with a terminal.
pub struct Customer {
    /// The terminal.
    pub home: Home,
    /// Whose it is.
    pub email: String,
    /// What was chosen at signup.
    pub password: String,
    /// The namespace that was made.
    pub namespace: String,
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
            run_greeter(p, &ada)
        })?;
        self.step("it is called in four ways", |p| call_greeter(p, &ada))?;
        self.step("its logs, once and following", |_| read_logs(&ada))?;
        self.step("update to a changed source, while it serves", |p| {
            update_greeter(p, &ada)
        })?;
        self.step("run from git: a branch, a commit, another name", |p| {
            run_from_git(p, &ada)
        })?;
        self.step("a build that fails says why", |_| failing_build(&ada))?;
        self.step("a second terminal: password, then mailed code", |p| {
            second_terminal(p, &ada)
        })?;
        let bob = self.step("bob signs up", |p| {
            let home = p.home()?;
            sign_up(p, home, "bob@example.com", &[GOOD_CARD])
        })?;
        self.step("bob's greeter and ada's do not meet", |p| strangers(p, &ada, &bob))?;
        self.step("kill", |_| kill_greeter(&ada))?;
        self.step("the platform stops on Ctrl-C", stops_cleanly)?;
        Ok(self.steps)
    }
}

fn not_logged_in(platform: &mut Platform) -> Result<Home> {
    let home = platform.home()?;
    let refused = home.run(&["run", &greeter()])?;
    let expected = format!("Not logged in to env 'home' hosted at '{}'.", platform.at.proxy);
    ensure!(refused.stderr.contains(&expected) && refused.exit == 2, "{refused:?}");
    ensure!(refused.stderr.contains("Please see `micro login help`"), "{refused:?}");
    Ok(home)
}

/// Signs up with each card in turn until one is taken.
pub fn sign_up(platform: &mut Platform, home: Home, email: &str, cards: &[&str]) -> Result<Customer> {
    let password = password_of(email);
    let mut talk = home.start(&["signup", "--email", email])?;
    talk.expect("Enter the OTP sent to your email address: ")?;
    let letter = mailbox::letter(platform, email, "one-time token")?;
    talk.say(&mailbox::code(&letter)?)?;
    talk.expect("Enter a new password: ")?;
    talk.say(&password)?;
    talk.expect("Verify your password: ")?;
    talk.say(&password)?;
    let last = walk_the_pages(&subscribe_address(&mut talk)?, email, cards)?;
    // The terminal may have noticed the card and gone on before the browser is back.
    ensure!(
        token_on(&last).is_ok() || last.text().contains("Your namespace is"),
        "{}",
        last.text()
    );
    let done = talk.wait()?.ok()?;
    ensure!(
        format!("{}{}", done.stdout, done.stderr).contains("Signup complete! You're now logged in."),
        "{done:?}"
    );
    for file in ["config.json", "tokens"] {
        let mode = fs::metadata(home.path().join(".micro").join(file))?
            .permissions()
            .mode()
            & 0o777;
        ensure!(mode == 0o600, "{file} has mode {mode:o}");
    }
    let namespace = home.run(&["user", "namespace"])?.ok()?.stdout.trim().to_owned();
    ensure!(namespace.split('-').count() == 3, "{namespace:?} is not three words");
    Ok(Customer {
        home,
        email: email.into(),
        password,
        namespace,
    })
}

/// A sign-up whose terminal waits for the card.
pub struct AtThePage {
    /// The terminal.
    pub home: Home,
    /// The command in it.
    pub talk: Talk,
    /// Whose it is.
    pub email: String,
    /// What was chosen.
    pub password: String,
    /// The mailed code.
    pub code: String,
    /// The subscribe page.
    pub address: String,
}

impl AtThePage {
    /// Walks the pages; the payment token.
    pub fn enter_card(&self, platform: &Platform, cards: &[&str]) -> Result<String> {
        enter_card(platform, &self.address, &self.email, cards)
    }

    /// Waits until the terminal says that all is done.
    pub fn done(self) -> Result<Customer> {
        let done = self.talk.wait()?.ok()?;
        let said = format!("{}{}", done.stdout, done.stderr);
        ensure!(said.contains("Signup complete! You're now logged in."), "{said}");
        let namespace = self.home.run(&["user", "namespace"])?.ok()?.stdout.trim().to_owned();
        Ok(Customer {
            home: self.home,
            email: self.email,
            password: self.password,
            namespace,
        })
    }
}

/// Signs up to where the terminal waits for the card.
pub fn sign_up_to_the_page(platform: &Platform, email: &str) -> Result<AtThePage> {
    let (home, password) = (platform.home()?, password_of(email));
    let mut talk = home.start(&["signup", "--email", email, "--password", &password])?;
    talk.expect("Enter the OTP sent to your email address: ")?;
    let code = mailbox::code(&mailbox::letter(platform, email, "one-time token")?)?;
    talk.say(&code)?;
    let address = subscribe_address(&mut talk)?;
    Ok(AtThePage {
        home,
        talk,
        email: email.into(),
        password,
        code,
        address,
    })
}

/// What an address chooses in these tests.
pub fn password_of(email: &str) -> String {
    format!("correct horse of {email}")
}

/// The subscribe page's address, as the terminal prints it.
pub fn subscribe_address(talk: &mut Talk) -> Result<String> {
    let said = talk.expect("/subscribe/")?;
    let address = said
        .split_whitespace()
        .find(|w| w.contains("/subscribe/"))
        .context("no address")?;
    Ok(address.trim_end_matches(['.', ',']).to_owned())
}

/// Walks the pages, and the payment token that the last one shows.
pub fn enter_card(_: &Platform, address: &str, email: &str, cards: &[&str]) -> Result<String> {
    token_on(&walk_the_pages(address, email, cards)?)
}

/// What is bought, the provider's card form, 3-D Secure, back again: the last page.
pub fn walk_the_pages(address: &str, email: &str, cards: &[&str]) -> Result<Page> {
    let mut browser = Browser::new()?;
    let offer = browser.get(address)?.ok()?;
    ensure!(
        offer.text().contains("$35") && offer.text().contains(email),
        "{}",
        offer.text()
    );
    let mut page = browser.submit(&offer, &[])?;
    for card in cards {
        page = browser.submit(&page, &[("number", card), ("expiry", "12/34"), ("cvc", "123")])?;
        page = confirm_3ds(&mut browser, page)?;
        if *card == DECLINED_CARD {
            ensure!(page.text().contains("declined"), "{}", page.text());
        }
    }
    page.ok()
}

fn confirm_3ds(browser: &mut Browser, page: Page) -> Result<Page> {
    if !page.html.contains("<h1>3-D Secure</h1>") {
        return Ok(page);
    }
    browser.submit(&page, &[("outcome", "complete")])
}

fn token_on(page: &Page) -> Result<String> {
    let words = page
        .html
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let mut tokens = words.filter(|w| w.starts_with("pt_"));
    tokens.next().map(str::to_owned).with_context(|| page.text())
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

fn greeter() -> String {
    root().join("examples/greeter").display().to_string()
}

fn run_greeter(_: &mut Platform, ada: &Customer) -> Result<()> {
    ada.home.run(&["run", &greeter()])?.ok()?;
    let status = ada.home.run(&["status"])?.ok()?.stdout;
    ensure!(status.contains("greeter") && status.contains("running"), "{status}");
    let services = ada.home.run(&["services"])?.ok()?.stdout;
    ensure!(services.lines().any(|l| l == "greeter"), "{services}");
    Ok(())
}

fn call_greeter(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let call = ada
        .home
        .run(&["call", "greeter", "Greeter.Hello", r#"{"name":"Ada"}"#])?
        .ok()?;
    says(&call.stdout, "Hello Ada")?;
    says(
        &ada.home.run(&["greeter", "hello", "--name", "Ada"])?.ok()?.stdout,
        "Hello Ada",
    )?;
    let token = ada.home.run(&["user", "token"])?.ok()?.stdout.trim().to_owned();
    let http = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("http://{}/greeter/hello", platform.at.api);
    says(
        &http
            .get(format!("{url}?name=Ada"))
            .bearer_auth(&token)
            .send()?
            .error_for_status()?
            .text()?,
        "Hello Ada",
    )?;
    let posted = http
        .post(&url)
        .bearer_auth(&token)
        .json(&json!({ "name": "Ada" }))
        .send()?;
    says(&posted.error_for_status()?.text()?, "Hello Ada")?;
    ensure!(
        http.post(&url).json(&json!({ "name": "Ada" })).send()?.status() == 401,
        "open to the world"
    );
    let wrong = http.post(&url).bearer_auth(&token).json(&json!({})).send()?;
    ensure!(wrong.status() == 400, "{}", wrong.status());
    Ok(())
}

fn says(json: &str, expected: &str) -> Result<()> {
    let value: Value = serde_json::from_str(json).with_context(|| json.to_owned())?;
    ensure!(value == json!({ "msg": expected }), "{value}");
    Ok(())
}

fn read_logs(ada: &Customer) -> Result<()> {
    let logs = ada.home.run(&["logs", "-n", "100", "greeter"])?.ok()?.stdout;
    // The SDK says so once the service is there.
    ensure!(logs.contains("Registered"), "{logs}");
    let mut following = ada.home.start(&["logs", "-f", "-n", "100", "greeter"])?;
    following.expect("Registered")?;
    crate::platform::signal(following.pid(), "INT")?;
    let ended = following.wait()?;
    ensure!(ended.exit == 130, "{ended:?}");
    Ok(())
}

/// A copy of the greeter whose source was changed.
fn greeter_saying(word: &str, dir: &Path) -> Result<PathBuf> {
    let copy = dir.join("greeter");
    let copied = Command::new("cp").arg("-r").arg(greeter()).arg(&copy).status()?;
    ensure!(copied.success(), "cp: {copied}");
    let main = copy.join("src/main.rs");
    fs::write(
        &main,
        fs::read_to_string(&main)?.replace("Hello {}", &format!("{word} {{}}")),
    )?;
    Ok(copy)
}

fn update_greeter(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let changed = greeter_saying("Welcome", dir.path())?;
    let mut update = ada.home.start(&["update", &changed.display().to_string()])?;
    // Somebody calls all the while: nobody is turned away.
    let token = ada.home.run(&["user", "token"])?.ok()?.stdout.trim().to_owned();
    let http = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("http://{}/greeter/hello?name=Ada", platform.at.api);
    eventually("the update serves", Duration::from_secs(180), || {
        let response = http.get(&url).bearer_auth(&token).send()?;
        ensure!(
            response.status() == 200,
            "{} during the update; it said: {}",
            response.status(),
            update.seen()
        );
        let text = response.text()?;
        ensure!(text.contains("Hello Ada") || text.contains("Welcome Ada"), "{text}");
        Ok(text.contains("Welcome Ada").then_some(()))
    })?;
    update.expect("")?;
    update.finish()?.ok()?;
    Ok(())
}

fn run_from_git(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let copy = greeter_saying("Hi", dir.path())?;
    let git = |args: &[&str]| -> Result<String> {
        let done = Command::new("git")
            .current_dir(&copy)
            .args([
                "-c",
                "user.name=e2e",
                "-c",
                "user.email=e2e@example.com",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(args)
            .output()?;
        ensure!(
            done.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    };
    git(&["init", "-q"])?;
    git(&["add", "."])?;
    git(&["commit", "-qm", "first"])?;
    let commit = git(&["rev-parse", "HEAD"])?;
    git(&["branch", "stable"])?;
    let bare = dir.path().join("greeter.git");
    git(&["clone", "-q", "--bare", ".", &bare.display().to_string()])?;
    let listen = git_address();
    let mut host = Command::new(platform.bin("git-double"));
    host.args(["--listen", &listen])
        .arg(dir.path())
        .stdout(std::process::Stdio::piped());
    let (_host, _ready) = Process::start_and_read_line(&mut host)?;
    for (at, name) in [("stable", "branched"), (commit.as_str(), "committed")] {
        ada.home
            .run(&["run", "--name", name, &format!("http://{listen}/greeter.git@{at}")])?
            .ok()?;
        says(
            &ada.home
                .run(&["call", name, "Greeter.Hello", r#"{"name":"Ada"}"#])?
                .ok()?
                .stdout,
            "Hi Ada",
        )?;
        ada.home.run(&["kill", name])?.ok()?;
    }
    Ok(())
}

/// Where the git host of the walk answers: builds may reach it, and no other private address.
pub fn git_address() -> String {
    use std::sync::OnceLock;
    static ADDRESS: OnceLock<String> = OnceLock::new();
    let free = || {
        std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a free port")
            .to_string()
    };
    ADDRESS.get_or_init(free).clone()
}

fn failing_build(ada: &Customer) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let copy = greeter_saying("Hello", dir.path())?;
    fs::write(
        copy.join("src/main.rs"),
        "fn main() { let answer: u32 = \"forty-two\"; }\n",
    )?;
    let failed = ada
        .home
        .run(&["run", "--name", "broken", &copy.display().to_string()])?;
    ensure!(
        failed.exit != 0 && failed.stderr.contains("mismatched types"),
        "{failed:?}"
    );
    let status = ada.home.run(&["status", "broken"])?.ok()?.stdout;
    ensure!(status.contains("error"), "{status}");
    ada.home.run(&["kill", "broken"])?.ok()?;
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
    let bobs = greeter_saying("Yo", dir.path())?;
    bob.home.run(&["run", &bobs.display().to_string()])?.ok()?;
    says(
        &bob.home.run(&["greeter", "hello", "--name", "Bob"])?.ok()?.stdout,
        "Yo Bob",
    )?;
    says(
        &ada.home.run(&["greeter", "hello", "--name", "Ada"])?.ok()?.stdout,
        "Welcome Ada",
    )?;
    bob.home.run(&["kill", "greeter"])?.ok()?;
    Ok(())
}

fn kill_greeter(ada: &Customer) -> Result<()> {
    ada.home.run(&["kill", "greeter"])?.ok()?;
    ensure!(
        !ada.home.run(&["status"])?.ok()?.stdout.contains("greeter"),
        "still there"
    );
    let gone = ada.home.run(&["call", "greeter", "Greeter.Hello", "{}"])?;
    ensure!(
        gone.exit == 4 && gone.stderr.contains("Service \"greeter\" not found"),
        "{gone:?}"
    );
    Ok(())
}

fn stops_cleanly(platform: &mut Platform) -> Result<()> {
    let (took, status) = platform.interrupt()?;
    ensure!(status.code() == Some(0), "{status}: {}", platform.log());
    ensure!(took < Duration::from_secs(5), "it took {took:?}");
    Ok(())
}

//! The server is killed at every named moment of a sign-up, started again, and the person gets on. The table is
//! made from the steps themselves: a new step is killed without anybody having to remember it.

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use micro_billing::Operation;
use micro_e2e::{
    home::Home,
    mailbox,
    operator::Operator,
    page::Browser,
    platform::{Options, Platform},
    signup::{GOOD_CARD, password_of, sign_up_to_the_page, subscribe_address, walk_the_pages},
};
use micro_signup::SignupSaga;
use micro_storage::saga;

/// Platforms at once, each with its share of the table.
const PLATFORMS: usize = 3;
/// How long the server may live on after the card was entered.
const DEATH: Duration = Duration::from_secs(60);
/// After the money, longer than a person is made to wait for a namespace.
const TOO_LATE: Duration = Duration::from_secs(16 * 60);
/// Charged, and the namespace not yet made.
const CHARGED: &str = "signup.subscribe.reply";

/// Every failpoint that a sign-up passes.
fn forward() -> Vec<String> {
    let billing = Operation::ALL.into_iter().filter(|o| *o != Operation::Refund);
    let billing = billing.flat_map(|o| o.failpoints().map(str::to_owned));
    saga::failpoints::<SignupSaga>().into_iter().chain(billing).collect()
}

/// One platform, and how many customers it has.
struct Scene {
    platform: Platform,
    customers: usize,
}

impl Scene {
    fn open() -> Result<Self> {
        Ok(Self {
            platform: Platform::start(Options::default())?,
            customers: 0,
        })
    }

    /// Killed there, the sign-up goes on in the same terminal: one charge, one namespace, one account.
    fn killed_on_the_way(&mut self, failpoint: &str) -> Result<&'static str> {
        let email = format!("{failpoint}@example.com");
        let before = self.platform.books()?;
        self.platform.kill()?;
        self.platform.boot_to_die_at(failpoint)?;
        let ada = sign_up_to_the_page(&self.platform, &email)?;
        // The server dies on one of these pages, or soon after them.
        let walked = ada.enter_card(&self.platform, &[GOOD_CARD]);
        self.platform.died_at(failpoint, DEATH)?;
        self.platform.boot()?;
        if walked.is_err() {
            self.enter_card_if_asked(&ada.address, &email)?;
        }
        ada.done()?;
        ensure!(
            self.platform.books()? == before.and_a_month(),
            "{:?}, then {:?}",
            before,
            self.platform.books()?
        );
        self.is_whole(&email)?;
        Ok("its terminal went on by itself")
    }

    /// Killed while giving the money of a broken promise back: it is given back once, a letter says so, and the
    /// person may sign up again.
    fn killed_giving_back(&mut self, failpoint: &str) -> Result<&'static str> {
        let email = format!("{failpoint}@example.com");
        let before = self.platform.books()?;
        self.platform.kill()?;
        self.platform.boot_to_die_at(CHARGED)?;
        let ada = sign_up_to_the_page(&self.platform, &email)?;
        let _server_may_die_meanwhile = ada.enter_card(&self.platform, &[GOOD_CARD]);
        self.platform.died_at(CHARGED, DEATH)?;
        self.platform.go_on_by(TOO_LATE)?;
        self.platform.boot_to_die_at(failpoint)?;
        self.platform.died_at(failpoint, DEATH)?;
        self.platform.boot()?;

        mailbox::letter(&self.platform, &email, "given you back $35")?;
        let given_back = before.and_a_month_given_back();
        ensure!(
            self.platform.books()? == given_back,
            "{:?}, then {:?}",
            before,
            self.platform.books()?
        );
        let told = ada.talk.wait()?;
        ensure!(told.exit != 0 && told.stderr.contains("refunded"), "{told:?}");

        self.sign_up_again(&email)?;
        ensure!(
            self.platform.books()? == given_back.and_a_month(),
            "{:?}",
            self.platform.books()?
        );
        self.is_whole(&email)?;
        Ok("given back once, said so, and signed up again")
    }

    fn enter_card_if_asked(&self, address: &str, email: &str) -> Result<()> {
        let page = Browser::new()?.get(address)?.ok()?;
        if page.text().contains("Enter your card") {
            walk_the_pages(address, email, &[GOOD_CARD])?;
        }
        Ok(())
    }

    fn sign_up_again(&self, email: &str) -> Result<()> {
        let home = self.platform.home()?;
        let mut talk = home.start(&["signup", "--email", email, "--password", &password_of(email)])?;
        talk.expect("Enter the OTP")?;
        talk.say(&mailbox::code(&mailbox::letter(&self.platform, email, "token")?)?)?;
        if let Ok(address) = subscribe_address(&mut talk) {
            self.enter_card_if_asked(&address, email)?;
        }
        talk.wait()?.ok()?;
        Ok(())
    }

    /// The same address and password log in; there is one account, and one namespace a customer, all of them active.
    fn is_whole(&mut self, email: &str) -> Result<()> {
        self.customers += 1;
        let home = self.platform.home()?;
        home.run(&["login", "--email", email, "--password", &password_of(email)])?
            .ok()?;
        home.run(&["services"])?.ok()?;
        one_account(&home)?;
        let namespace = home.run(&["user", "namespace"])?.ok()?.stdout.trim().to_owned();

        let operator = Operator::logged_in(&self.platform)?;
        let customer = operator.ask(&["customers", "show", email])?;
        ensure!(
            customer["subscription_status"] == "active" && customer["namespace"] == namespace.as_str(),
            "{customer}"
        );
        let namespaces = operator.ask(&["namespaces", "list", "--limit", "200"])?;
        let namespaces = namespaces.as_array().context("a list")?;
        let active = namespaces.iter().filter(|n| n["state"] == "active").count();
        ensure!(active == self.customers, "{} customers: {namespaces:?}", self.customers);
        let parked = operator.ask(&["jobs", "list", "--state", "parked"])?;
        ensure!(parked.as_array().is_some_and(Vec::is_empty), "{parked}");
        self.platform.books_are_sound()
    }
}

fn one_account(home: &Home) -> Result<()> {
    let listed = home.run(&["call", "auth", "Accounts.List", "{}"])?.ok()?.stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed)?;
    let accounts = listed["accounts"].as_array().context("accounts")?;
    ensure!(accounts.len() == 1, "{listed}");
    Ok(())
}

/// Runs the rows of a table, a few at a time, and prints one line for each.
fn run_table(rows: Vec<String>, platforms: usize, kill: fn(&mut Scene, &str) -> Result<&'static str>) -> Result<()> {
    let began = Instant::now();
    let (total, rows) = (rows.len(), Mutex::new(rows.into_iter()));
    let broken = Mutex::new(vec![]);
    let next = || rows.lock().expect("unpoisoned").next();
    thread::scope(|scope| {
        for _ in 0..platforms {
            scope.spawn(|| {
                let mut scene = None;
                while let Some(row) = next() {
                    let started = Instant::now();
                    // After a row that failed nothing is known of the platform: the next one gets a new one.
                    let played = scene.take().map_or_else(Scene::open, Ok).and_then(|mut s| {
                        let how = kill(&mut s, &row)?;
                        scene = Some(s);
                        Ok(how)
                    });
                    let took = started.elapsed().as_millis();
                    match played {
                        Ok(how) => eprintln!("{took:>6} ms  {row:<28} {how}"),
                        Err(e) => {
                            eprintln!("{took:>6} ms  {row:<28} FAILED: {e:#}");
                            broken.lock().expect("unpoisoned").push(row);
                        }
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().expect("unpoisoned");
    eprintln!("{total} rows in {:?}", began.elapsed());
    ensure!(broken.is_empty(), "{} of {total} rows failed: {broken:?}", broken.len());
    Ok(())
}

#[test]
fn killed_anywhere_on_the_way_a_person_pays_once_and_gets_in() -> Result<()> {
    run_table(forward(), PLATFORMS, Scene::killed_on_the_way)
}

#[test]
fn killed_while_giving_back_a_person_is_refunded_once() -> Result<()> {
    let rows = Operation::Refund.failpoints().map(str::to_owned).to_vec();
    run_table(rows, 1, Scene::killed_giving_back)
}

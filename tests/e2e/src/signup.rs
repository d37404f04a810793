//! Signing up: the terminal, the letter, the pages and their card.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result, ensure};

use crate::{
    home::{Home, Talk},
    mailbox,
    page::{Browser, Page},
    platform::Platform,
};

/// Cards of Stripe's test data.
pub const GOOD_CARD: &str = "4242424242424242";
/// Declined at once.
pub const DECLINED_CARD: &str = "4000000000000002";
/// Asks for 3-D Secure once, when it is stored.
pub const SECURE_CARD: &str = "4000002500003155";

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

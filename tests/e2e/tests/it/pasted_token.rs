//! The payment token: pasted at the terminal, or sent by a client; good for its own attempt, and for no other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use micro_client::{Client, Endpoint};
use micro_e2e::{
    mailbox,
    platform::{Options, Platform},
    signup::{GOOD_CARD, enter_card, sign_up_to_the_page},
};
use micro_error::{Error, Kind};
use micro_proto::signup::{CompleteRequest, CompleteResponse, ConfirmRequest, Session, SessionClient, StartRequest};
use micro_tenancy::Caller;
use tokio::runtime::Runtime;

const PASSWORD: &str = "correct horse battery";
/// The form of a token, and nobody's.
const WRONG: &str = "pt_0123456789abcdef0123456789abcdef01234567";

#[test]
fn a_wrong_token_is_refused_at_the_terminal_and_the_right_one_is_taken() -> Result<()> {
    let platform = Platform::start(Options::default())?;
    let mut ada = sign_up_to_the_page(&platform, "ada@example.com")?;
    ada.talk.say(WRONG)?;
    ada.talk.expect("The payment token you provided is invalid")?;
    // The terminal does not see the page being done: it lies still until the token is typed.
    micro_e2e::platform::signal(ada.talk.pid(), "STOP")?;
    let token = ada.enter_card(&platform, &[GOOD_CARD])?;
    ada.talk.say(&token)?;
    micro_e2e::platform::signal(ada.talk.pid(), "CONT")?;
    let ada = ada.done()?;
    ada.home.run(&["services"])?.ok()?;
    ensure!(platform.books()?.charges == 1, "{:?}", platform.books()?);
    Ok(())
}

/// A client of another make: it asks nothing about the page, and sends what its user pasted.
struct Attempt<'p> {
    platform: &'p Platform,
    runtime: Runtime,
    session: SessionClient<Client>,
    secret: String,
    email: String,
    address: String,
}

impl<'p> Attempt<'p> {
    fn start(platform: &'p Platform, email: &str) -> Result<Self> {
        let runtime = Runtime::new()?;
        let client =
            Client::new(Endpoint::parse(&platform.at.proxy.to_string())?).with_timeout(Duration::from_secs(60));
        let session = SessionClient::new(client);
        let nobody = Caller::anonymous();
        let request = StartRequest { email: email.into() };
        let secret = runtime.block_on(session.start(&nobody, request))?.secret;
        let code = mailbox::code(&mailbox::letter(platform, email, "one-time token")?)?;
        let request = ConfirmRequest {
            secret: secret.clone(),
            code,
        };
        let address = runtime.block_on(session.confirm(&nobody, request))?.subscribe_url;
        Ok(Self {
            platform,
            runtime,
            session,
            secret,
            email: email.into(),
            address,
        })
    }

    fn enter_card(&self) -> Result<String> {
        enter_card(self.platform, &self.address, &self.email, &[GOOD_CARD])
    }

    fn complete(&self, payment_token: &str) -> Result<CompleteResponse, Error> {
        let request = CompleteRequest {
            secret: self.secret.clone(),
            password: PASSWORD.into(),
            payment_token: payment_token.into(),
        };
        self.runtime
            .block_on(self.session.complete(&Caller::anonymous(), request))
    }

    fn is_refused(&self, payment_token: &str) -> Result<()> {
        let charges = self.platform.books()?.charges;
        let refused = self.complete(payment_token).err().context("it was taken")?;
        ensure!(
            refused.kind() == Kind::Forbidden && refused.id() == "signup.payment_token",
            "{refused:?}"
        );
        ensure!(self.platform.books()?.charges == charges, "refused, and charged");
        Ok(())
    }
}

#[test]
fn a_token_opens_its_own_attempt_once() -> Result<()> {
    let platform = Platform::start(Options::default())?;
    let ada = Attempt::start(&platform, "ada@example.com")?;
    ada.is_refused(WRONG)?;
    let adas = ada.enter_card()?;
    ada.is_refused(WRONG)?;

    let bob = Attempt::start(&platform, "bob@example.com")?;
    bob.is_refused(&adas).context("before bob's own page is done")?;
    let bobs = bob.enter_card()?;
    bob.is_refused(&adas).context("after bob's own page is done")?;
    ensure!(adas != bobs, "one token for two attempts");

    let done = ada.complete(&adas)?;
    ensure!(
        done.token.is_some() && done.namespace.split('-').count() == 3,
        "{}",
        done.namespace
    );
    bob.is_refused(&adas).context("used by ada already")?;
    bob.complete(&bobs)?;
    ensure!(platform.books()?.charges == 2, "{:?}", platform.books()?);
    platform.books_are_sound()
}

#[test]
fn another_card_makes_the_first_ones_token_void() -> Result<()> {
    let platform = Platform::start(Options::default())?;
    let ada = Attempt::start(&platform, "ada@example.com")?;
    let first = ada.enter_card()?;
    let mut browser = micro_e2e::page::Browser::new()?;
    let stored = browser.get(&ada.address)?.ok()?;
    ensure!(stored.text().contains("Use another card"), "{}", stored.text());
    let second = ada.enter_another_card()?;
    ensure!(first != second, "the same token for another card");
    ada.is_refused(&first)?;
    ada.complete(&second)?;
    Ok(())
}

impl Attempt<'_> {
    /// From the page that says that a card is stored.
    fn enter_another_card(&self) -> Result<String> {
        enter_card(self.platform, &self.address, &self.email, &["5555555555554444"])
    }
}

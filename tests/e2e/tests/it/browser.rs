//! The pages in a real Chromium: on a phone, by keyboard, and without scripts.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use micro_e2e::{
    browser::{Chromium, Screen},
    mailbox,
    platform::{Options, Platform},
    signup::{DECLINED_CARD, SECURE_CARD, subscribe_address},
};
use thirtyfour::{By, Key, WebDriver};

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Signs up to the point where the terminal waits, then hands the address to a browser.
fn walk_the_pages(screen: Screen, email: &str) -> Result<()> {
    let platform = Platform::start(Options::default())?;
    let home = platform.home()?;
    let mut talk = home.start(&["signup", "--email", email, "--password", "correct horse battery"])?;
    talk.expect("Enter the OTP")?;
    talk.say(&mailbox::code(&mailbox::letter(&platform, email, "one-time token")?)?)?;
    let address = subscribe_address(&mut talk)?;

    tokio::runtime::Runtime::new()?.block_on(async {
        tokio::time::timeout(6 * PATIENCE, pages(screen, &address, email))
            .await
            .context("the browser hangs")?
    })?;
    let done = talk.wait()?.ok()?;
    let said = format!("{}{}", done.stdout, done.stderr);
    ensure!(said.contains("Signup complete!"), "{said}");
    Ok(())
}

/// The offer, a declined card, a card that asks for 3-D Secure, and back to the page with the token.
async fn pages(screen: Screen, address: &str, email: &str) -> Result<()> {
    let chromium = Chromium::start(screen).await?;
    let page = &chromium.driver;
    page.goto(address).await?;
    let offer = until(page, "$35").await?;
    ensure!(offer.contains(email), "{offer}");
    fits(page, screen).await?;
    press_submit(page).await?;
    until(page, "Card number").await?;
    type_card(page, DECLINED_CARD).await?;
    until(page, "declined").await?;
    type_card(page, SECURE_CARD).await?;
    until(page, "Your bank").await?;
    page.find(By::Css("button[value=complete]"))
        .await
        .context("the 3-D Secure page")?
        .click()
        .await?;
    let back = until_any(page, &["Back to the terminal", "Your namespace is"]).await?;
    fits(page, screen).await?;
    // The terminal may have noticed the card and gone on before the browser is back: then there is no token to copy.
    if back.contains("Back to the terminal") {
        let copy = page
            .find(By::Css("[data-copy] button"))
            .await
            .context("a copy button")?;
        ensure!(
            copy.is_displayed().await? == screen.scripts,
            "the copy button is shown where it works, and only there"
        );
    }
    chromium.quit().await
}

/// Waits for a page that says `words`; all that it says.
async fn until(page: &WebDriver, words: &str) -> Result<String> {
    until_any(page, &[words]).await
}

/// Waits for a page that says one of these; all that it says.
async fn until_any(page: &WebDriver, words: &[&str]) -> Result<String> {
    let looking = async {
        loop {
            // Between two pages there is nothing to read.
            match text(page).await {
                Ok(said) if words.iter().any(|w| said.contains(w)) => return said,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(said) => Ok(said),
        Err(_) => bail!("{words:?} is not on the page: {}", text(page).await?),
    }
}

/// Fills in the double's card form by keyboard alone.
async fn type_card(page: &WebDriver, card: &str) -> Result<()> {
    let number = page.find(By::Name("number")).await.context("the card form")?;
    number.clear().await?;
    number.send_keys(card).await?;
    for (name, value) in [("expiry", "12/34"), ("cvc", "123")] {
        let field = page.find(By::Name(name)).await?;
        field.clear().await?;
        field.send_keys(value).await?;
    }
    page.find(By::Name("cvc")).await?.send_keys(Key::Enter + "").await?;
    Ok(())
}

/// The page's own button, reached with Tab and pressed with Enter.
async fn press_submit(page: &WebDriver) -> Result<()> {
    page.find(By::Css("main form button"))
        .await
        .context("a button")?
        .focus()
        .await?;
    page.action_chain()
        .key_down(Key::Enter)
        .key_up(Key::Enter)
        .perform()
        .await?;
    Ok(())
}

async fn text(page: &WebDriver) -> Result<String> {
    Ok(page.find(By::Tag("body")).await?.text().await?)
}

/// Nothing sticks out to the side.
async fn fits(page: &WebDriver, screen: Screen) -> Result<()> {
    if screen.scripts {
        let wide = page
            .execute("return document.documentElement.scrollWidth", vec![])
            .await?;
        let wide = wide.json().as_u64().context("a width")?;
        ensure!(
            wide <= u64::from(screen.width),
            "{wide} pixels wide on a screen of {}",
            screen.width
        );
    }
    Ok(())
}

#[test]
fn subscribing_on_a_phone() -> Result<()> {
    walk_the_pages(Screen::PHONE, "phone@example.com")
}

#[test]
fn subscribing_without_scripts() -> Result<()> {
    walk_the_pages(Screen::WITHOUT_SCRIPTS, "plain@example.com")
}

//! The pages in a real Chromium: on a phone, by keyboard, and without scripts.

use anyhow::{Context, Result, ensure};
use micro_e2e::{
    browser::{Chromium, Screen},
    mailbox,
    platform::{Options, Platform},
    walk::{DECLINED_CARD, SECURE_CARD, subscribe_address},
};
use thirtyfour::{By, Key, WebDriver};

/// Signs up to the point where the terminal waits, then hands the address to a browser.
async fn walk_the_pages(screen: Screen, email: &str) -> Result<()> {
    let platform = Platform::start(Options::default())?;
    let home = platform.home()?;
    let mut talk = home.start(&["signup", "--email", email, "--password", "correct horse battery"])?;
    talk.expect("Enter the OTP")?;
    talk.say(&mailbox::code(&mailbox::letter(&platform, email, "one-time token")?)?)?;
    let address = subscribe_address(&mut talk)?;

    let chromium = Chromium::start(screen).await?;
    let page = &chromium.driver;
    page.goto(&address).await?;
    let body = text(page).await?;
    ensure!(body.contains("$35") && body.contains(email), "{body}");
    fits(page, screen).await?;
    press_submit(page).await?;

    for card in [DECLINED_CARD, SECURE_CARD] {
        type_card(page, card).await?;
        if card == DECLINED_CARD {
            ensure!(text(page).await?.contains("declined"), "{}", text(page).await?);
        }
    }
    page.find(By::Css("button[value=complete]"))
        .await
        .context("the 3-D Secure page")?
        .click()
        .await?;
    let body = text(page).await?;
    fits(page, screen).await?;
    ensure!(body.contains("terminal"), "{body}");
    if screen.scripts {
        let copy = page.find(By::Css("[data-copy] button")).await.context("a copy button")?;
        ensure!(copy.is_displayed().await?, "the copy button is hidden");
    }
    let done = talk.wait()?.ok()?;
    ensure!(
        format!("{}{}", done.stdout, done.stderr).contains("Signup complete!"),
        "{done:?}"
    );
    chromium.quit().await
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

#[tokio::test]
async fn subscribing_on_a_phone() -> Result<()> {
    walk_the_pages(Screen::PHONE, "phone@example.com").await
}

#[tokio::test]
async fn subscribing_without_scripts() -> Result<()> {
    walk_the_pages(Screen::PHONE_WITHOUT_SCRIPTS, "plain@example.com").await
}

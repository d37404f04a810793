//! Reads a person's mail on the mailbox page, as that person would.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    page::Browser,
    platform::{Platform, eventually},
};

/// How long a letter may take.
const DELIVERY: Duration = Duration::from_secs(20);

/// The newest letter to an address, as plain text. Waits for one that contains `text`.
pub fn letter(platform: &Platform, to: &str, text: &str) -> Result<String> {
    letter_among(&[platform], to, text)
}

/// The same among replicas: each has a mailbox of its own, and any of them may have sent the letter.
pub fn letter_among(replicas: &[&Platform], to: &str, text: &str) -> Result<String> {
    let mut browser = Browser::new()?;
    eventually(&format!("a letter to {to} with {text:?}"), DELIVERY, || {
        for platform in replicas {
            let list = browser.get(&format!("{}/mailbox", platform.web_url()))?;
            let links = list
                .links()
                .into_iter()
                .filter(|l| l.href.contains("/mailbox/") && l.row.contains(to));
            for link in links {
                let letter = browser.get(&platform.absolute(&link.href))?.text();
                if letter.contains(text) {
                    return Ok(Some(letter));
                }
            }
        }
        Ok(None)
    })
}

/// The 40 hexadecimal digits in a letter.
pub fn code(letter: &str) -> Result<String> {
    letter
        .split(|c: char| !c.is_ascii_hexdigit())
        .find(|w| w.len() == 40)
        .map(str::to_owned)
        .with_context(|| format!("no code in {letter}"))
}

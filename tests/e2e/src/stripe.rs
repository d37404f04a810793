//! The payment provider's side of things: what it really took and gave back, and how its webhooks travel.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::platform::{Platform, STRIPE_KEY, eventually};

/// How long webhooks may take to arrive.
const DELIVERY: Duration = Duration::from_secs(60);

/// What was taken and given back in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Charges that went through.
    pub charges: usize,
    /// Cents taken.
    pub charged: i64,
    /// Times money was given back.
    pub refunds: usize,
    /// Cents given back.
    pub refunded: i64,
    /// Subscriptions that will charge again.
    pub live: i64,
}

impl Books {
    /// The same, and one more first month.
    #[must_use]
    pub fn and_a_month(self) -> Self {
        Self {
            charges: self.charges + 1,
            charged: self.charged + 3_500,
            live: self.live + 1,
            ..self
        }
    }

    /// The same, and one more month that was given back.
    #[must_use]
    pub fn and_a_month_given_back(self) -> Self {
        Self {
            charges: self.charges + 1,
            charged: self.charged + 3_500,
            refunds: self.refunds + 1,
            refunded: self.refunded + 3_500,
            ..self
        }
    }
}

impl Platform {
    /// Asks the provider.
    pub fn stripe_get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.stripe());
        let response = client()?.get(url).bearer_auth(STRIPE_KEY).send()?;
        Ok(response.error_for_status()?.json()?)
    }

    /// Tells the double something.
    pub fn stripe_post(&self, path: &str, body: &Value) -> Result<()> {
        let url = format!("{}{path}", self.stripe());
        client()?.post(url).json(body).send()?.error_for_status()?;
        Ok(())
    }

    /// The provider's books.
    pub fn books(&self) -> Result<Books> {
        let books = self.stripe_get("/_double/books")?;
        let list = |name: &str| books[name].as_array().context("a list");
        let by_attempt = books["by_attempt"].as_object().context("attempts")?;
        Ok(Books {
            charges: list("charges")?.iter().filter(|c| c["status"] == "succeeded").count(),
            charged: books["charged"].as_i64().context("a sum")?,
            refunds: list("refunds")?.len(),
            refunded: books["refunded"].as_i64().context("a sum")?,
            live: by_attempt
                .values()
                .filter_map(|a| a["live_subscriptions"].as_i64())
                .sum(),
        })
    }

    /// No attempt was charged twice for one month, and none that was given its money back goes on.
    pub fn books_are_sound(&self) -> Result<()> {
        let books = self.stripe_get("/_double/books")?;
        for (attempt, sums) in books["by_attempt"].as_object().context("attempts")? {
            let sum = |name: &str| sums[name].as_i64().unwrap_or_default();
            ensure!(
                sum("customers") <= 1 && sum("live_subscriptions") <= 1,
                "{attempt}: {sums}"
            );
            ensure!(
                sum("refunds") == 0 || sum("live_subscriptions") == 0,
                "{attempt}: {sums}"
            );
        }
        Ok(())
    }

    /// Whether webhooks wait, go out last first, and how many more times than once.
    pub fn webhooks_go_out(&self, hold: bool, reverse: bool, duplicates: u32) -> Result<()> {
        let mode = json!({ "hold": hold, "reverse": reverse, "duplicates": duplicates });
        self.stripe_post("/_double/webhooks", &mode)
    }

    /// Waits until every webhook was taken.
    pub fn webhooks_arrive(&self) -> Result<()> {
        eventually("every webhook is taken", DELIVERY, || {
            let state = self.stripe_get("/_double/webhooks")?;
            Ok((state["pending"] == 0).then_some(()))
        })
    }
}

fn client() -> Result<Client> {
    Ok(Client::builder().timeout(Duration::from_secs(10)).build()?)
}

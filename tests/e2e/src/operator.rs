//! An operator's terminal: `micro-admin`, logged in with the secret that the first start prints.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{home::Home, platform::Platform};

/// What the banner says before the secret.
const SAYS: &str = "operator secret (shown this once): ";

/// Somebody who operates a platform.
pub struct Operator {
    home: Home,
    door: String,
}

impl Operator {
    /// A terminal that is not logged in.
    pub fn new(platform: &Platform) -> Result<Self> {
        Self::at(platform, platform.at.admin.context("an operators' door")?)
    }

    /// The same, at another door.
    pub fn at(platform: &Platform, door: SocketAddr) -> Result<Self> {
        Ok(Self {
            home: Home::new(platform.bin("micro-admin"))?,
            door: door.to_string(),
        })
    }

    /// A terminal that is logged in with the printed secret.
    pub fn logged_in(platform: &Platform) -> Result<Self> {
        let operator = Self::new(platform)?;
        operator.log_in(&secret(platform)?)?.ok()?;
        Ok(operator)
    }

    /// Logs in.
    pub fn log_in(&self, secret: &str) -> Result<crate::home::Output> {
        let mut talk = self.home.start(&["--address", &self.door, "login"])?;
        talk.expect("Operator secret: ")?;
        talk.say(secret)?;
        talk.finish()
    }

    /// The token that a login left behind.
    pub fn token(&self) -> Result<String> {
        let file = std::fs::read_to_string(self.home.path().join(".micro/admin.json"))?;
        let logins: Value = serde_json::from_str(&file)?;
        Ok(logins[&self.door]["token"].as_str().context("a token")?.to_owned())
    }

    /// Runs a command.
    pub fn run(&self, args: &[&str]) -> Result<crate::home::Output> {
        let at = ["--address", &self.door, "--output", "json"];
        self.home.run(&[&at, args].concat())
    }

    /// What a command answers.
    pub fn ask(&self, args: &[&str]) -> Result<Value> {
        let said = self.run(args)?.ok()?.stdout;
        serde_json::from_str(&said).with_context(|| said)
    }
}

/// The secret, as the first start's banner has it.
pub fn secret(platform: &Platform) -> Result<String> {
    let banner = platform.banner();
    let said: Vec<_> = banner.lines().filter_map(|l| l.trim().strip_prefix(SAYS)).collect();
    ensure!(said.len() == 1, "printed {} times: {banner}", said.len());
    Ok(said[0].to_owned())
}

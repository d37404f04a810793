//! A person's own server: `micro server` as it starts without any settings, but for a folder and ports of the test's own.

use std::{
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    home::Home,
    platform::bin_dir,
    server::{Addresses, Server},
};

/// A running local server. Dropping it stops it.
pub struct Local {
    server: Server,
    env: Vec<(String, String)>,
    /// Where it answers.
    pub at: Addresses,
    _dir: TempDir,
}

impl Local {
    /// Starts one from nothing, with more settings.
    pub fn start(env: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("micro-local").tempdir()?;
        let nowhere = ([127, 0, 0, 1], 0).into();
        let at = Addresses {
            api: nowhere,
            proxy: nowhere,
            web: None,
            network: Some(nowhere),
            admin: None,
            pid: 0,
        };
        let mut local = Self {
            server: Server::new(dir.path()),
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            at,
            _dir: dir,
        };
        local.boot()?;
        Ok(local)
    }

    /// Starts the server again and waits until it serves, on the ports it had.
    pub fn boot(&mut self) -> Result<()> {
        let mut command = self.command();
        self.server.launch(&mut command)?;
        let at = self.server.comes_up()?;
        self.at = at.with_context(|| format!("the server ended at once:\n{}", self.server.log()))?;
        Ok(())
    }

    /// With these settings from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// `micro server` as this one is started.
    pub fn command(&self) -> Command {
        let mut command = self.server.command(&bin_dir().join("micro"));
        command
            .env("MICRO_API_ADDRESS", self.at.api.to_string())
            .env("MICRO_PROXY_ADDRESS", self.at.proxy.to_string())
            .envs(self.at.network.map(|at| ("MICRO_NETWORK_ADDRESS", at.to_string())))
            .envs(self.env.iter().map(|(k, v)| (k, v)));
        command
    }

    /// What a second server says that cannot be.
    pub fn second(&self, change: impl FnOnce(&mut Command)) -> Result<Output> {
        let mut command = self.command();
        change(&mut command);
        let output = command.output()?;
        ensure!(!output.status.success(), "a second server serves: {output:?}");
        Ok(output)
    }

    /// The process, with its folder.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// How long the last start took, from exec to serving.
    pub fn started_in(&self) -> Duration {
        self.server.started_in
    }

    /// A fresh home directory whose command line talks to this server, as its administrator.
    pub fn admin(&self) -> Result<Home> {
        let home = Home::new(bin_dir().join("micro"))?;
        home.run(&["env", "add", "here", &self.at.proxy.to_string()])?.ok()?;
        home.run(&["env", "set", "here"])?.ok()?;
        home.run(&["login", "--username", "admin", "--password", "micro"])?
            .ok()?;
        Ok(home)
    }

    /// Bytes of memory the server has in use.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.at.pid))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes << 10)
    }
}

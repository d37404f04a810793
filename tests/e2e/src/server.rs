//! `micro server` as a process, with its data directory and what it says: started, waited for, asked to stop, killed.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::process::{Process, pause, signal};

/// How long a server may take to serve on a busy machine; budgets are printed, and asserted at five times.
const START: Duration = Duration::from_secs(60);
const LOG: &str = "server.log";
const BANNER: &str = "server.out";

/// `addresses.json`.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Addresses {
    /// HTTP API.
    pub api: SocketAddr,
    /// gRPC for command lines.
    pub proxy: SocketAddr,
    /// Pages.
    pub web: Option<SocketAddr>,
    /// gRPC for services started by hand.
    pub network: Option<SocketAddr>,
    /// The operators' door.
    pub admin: Option<SocketAddr>,
    /// The server's process.
    pub pid: u32,
}

/// A server in a folder, running or not.
pub struct Server {
    dir: PathBuf,
    process: Option<Process>,
    /// How long the last start took, from exec to serving.
    pub started_in: Duration,
}

impl Server {
    /// One that has not been started, in this folder.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            process: None,
            started_in: Duration::ZERO,
        }
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// `micro server` with nothing of this machine's settings but its path and its compilers.
    pub fn command(&self, micro: &Path) -> Command {
        let mut command = Command::new(micro);
        command
            .arg("server")
            .env_clear()
            .envs(std::env::vars().filter(|(k, _)| !k.starts_with("MICRO_") && !k.starts_with("STRIPE_")))
            .env("MICRO_DATA_DIR", self.data_dir());
        command
    }

    /// Starts it.
    pub fn launch(&mut self, command: &mut Command) -> Result<()> {
        std::fs::remove_file(self.data_dir().join("addresses.json")).ok();
        let append = |name: &str| File::options().create(true).append(true).open(self.dir.join(name));
        command
            .stdin(Stdio::null())
            .stdout(append(BANNER)?)
            .stderr(append(LOG)?);
        self.process = Some(Process::start(command)?);
        Ok(())
    }

    /// Waits until it serves: where. Nothing if it has ended instead.
    pub fn comes_up(&mut self) -> Result<Option<Addresses>> {
        let addresses = self.data_dir().join("addresses.json");
        let began = Instant::now();
        while !addresses.exists() {
            if !self.runs() {
                return Ok(None);
            }
            ensure!(began.elapsed() < START, "not serving after {START:?}:\n{}", self.log());
            pause();
        }
        self.started_in = began.elapsed();
        Ok(Some(serde_json::from_slice(&std::fs::read(&addresses)?)?))
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().context("no server runs")?.kill()
    }

    /// Sends it a signal by name and waits: how long it took and how it ended.
    pub fn end(&mut self, by: &str) -> Result<(Duration, ExitStatus)> {
        let mut process = self.process.take().context("no server runs")?;
        let began = Instant::now();
        signal(process.id(), by)?;
        let status = process.wait(Duration::from_secs(30))?;
        Ok((began.elapsed(), status))
    }

    /// Whether it was started and not ended.
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::runs)
    }

    /// Waits for it to end by itself.
    pub fn wait_end(&mut self, within: Duration) -> Result<ExitStatus> {
        self.process.take().context("no server runs")?.wait(within)
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join(LOG)).unwrap_or_default()
    }

    /// What it told the person who started it.
    pub fn banner(&self) -> String {
        std::fs::read_to_string(self.dir.join(BANNER)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}\n--- in {}", self.log(), self.dir.display());
        }
        if let Some(process) = &mut self.process {
            signal(process.id(), "TERM").ok();
            process.wait(Duration::from_secs(10)).ok();
        }
    }
}

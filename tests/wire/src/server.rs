//! One local `micro server` of a test's own.

use std::{
    fs::File,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use micro_e2e::platform::{Addresses, Process, bin_dir, eventually, signal};
use tempfile::TempDir;

/// How long it may take to serve on a busy machine.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(10);

/// A running local server. Dropping it stops it.
pub struct Server {
    dir: TempDir,
    process: Process,
    pid: u32,
    /// The gRPC ingress.
    pub proxy: SocketAddr,
}

impl Server {
    /// Starts one from nothing.
    pub fn start() -> Result<Self> {
        let micro = bin_dir().join("micro");
        ensure!(micro.exists(), "{} is not there: build micro first", micro.display());
        let dir = tempfile::Builder::new().prefix("micro-wire").tempdir()?;
        let data = dir.path().join("data");
        let log = File::create(dir.path().join("server.log"))?;
        let mut command = Command::new(micro);
        command
            .arg("server")
            .env_clear()
            .env("HOME", dir.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MICRO_PROFILE", "local")
            .env("MICRO_DATA_DIR", &data)
            .env("MICRO_API_ADDRESS", "127.0.0.1:0")
            .env("MICRO_PROXY_ADDRESS", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = Process::start(&mut command)?;
        let said = || std::fs::read_to_string(dir.path().join("server.log")).unwrap_or_default();
        let at: Addresses = eventually("the server serves", START, || {
            let written = std::fs::read(data.join("addresses.json"));
            Ok(written.ok().and_then(|text| serde_json::from_slice(&text).ok()))
        })
        .with_context(said)?;
        Ok(Self {
            dir,
            process,
            pid: at.pid,
            proxy: at.proxy,
        })
    }

    /// Everything it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
        signal(self.pid, "TERM").ok();
        self.process.wait(STOP).ok();
    }
}

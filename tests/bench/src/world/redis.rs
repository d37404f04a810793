//! A private Redis.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use super::process::{Process, eventually};
use crate::harness::{Cpu, Whose};

/// Whether Redis keeps what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `appendfsync always`: a write is on disk when it is answered.
    Flushed,
    /// In memory only.
    None,
}

/// A running server.
pub struct Redis {
    process: Process,
    client: redis::Client,
    _dir: TempDir,
}

impl Redis {
    /// Starts one in a folder of its own below `dir`; none where it is not installed.
    pub async fn start(dir: &Path, durability: Durability) -> Result<Option<Self>> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            return Ok(None);
        }
        let dir = tempfile::Builder::new().prefix("micro-bench-redis").tempdir_in(dir)?;
        let socket = dir.path().join("redis.sock");
        let append = match durability {
            Durability::Flushed => "yes",
            Durability::None => "no",
        };
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendfsync",
                "always",
                "--appendonly",
                append,
            ])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(dir.path());
        let process = Process::start(&mut command, &dir.path().join("log"), None)?;
        let client = redis::Client::open(format!("redis+unix://{}", socket.display()))?;
        eventually("redis-server listens", Duration::from_secs(20), || async {
            Ok(client.get_multiplexed_async_connection().await.ok())
        })
        .await?;
        Ok(Some(Self {
            process,
            client,
            _dir: dir,
        }))
    }

    /// A connection that many tasks share; what they send at once goes out together.
    pub async fn connection(&self) -> Result<MultiplexedConnection> {
        Ok(self.client.get_multiplexed_async_connection().await?)
    }

    /// For subscriptions.
    pub fn client(&self) -> &redis::Client {
        &self.client
    }

    /// The server's meter.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::of(Whose::Process(self.process.pid()))
    }
}

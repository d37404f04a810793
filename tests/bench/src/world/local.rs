//! `micro server`, the whole of it, as a process of its own.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use micro_client::{Client, Endpoint};
use micro_proto::registry::{Node, Options, Registry, RegistryClient, Service};
use micro_tenancy::{Caller, Metadata};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tempfile::TempDir;

use super::{
    process::{Process, eventually},
    tenants::Tenants,
};
use crate::harness::{Cpu, Settings, Whose, resident_bytes};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// One person's: everything in one file.
    Local,
    /// The hosted one, on a private database, with payments off.
    Platform,
}

/// A running server.
pub struct Server {
    process: Process,
    /// Where it answers.
    pub at: Addresses,
    /// From exec to serving.
    pub started_in: Duration,
}

/// `addresses.json`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Addresses {
    /// gRPC for command lines.
    pub proxy: SocketAddr,
    /// The HTTP API.
    pub api: SocketAddr,
}

/// A folder that servers keep their data in, one after another.
pub struct Home {
    dir: TempDir,
    micro: PathBuf,
    profile: Profile,
}

impl Home {
    /// An empty one.
    pub fn new(settings: &Settings, profile: Profile) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::Builder::new()
            .prefix("micro-bench")
            .tempdir_in(&settings.dir)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
        Ok(Self {
            dir,
            micro: settings.micro.clone(),
            profile,
        })
    }

    /// The binary with nothing of this process's environment but what any command needs.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.micro);
        let path = std::env::vars_os().find(|(name, _)| name == "PATH");
        command.env_clear().env("HOME", self.dir.path()).envs(path);
        command
    }

    /// Starts a server, on one core or on any, that accepts the tenants' tokens.
    pub async fn start(&self, core: Option<usize>, tenants: Option<&Tenants>) -> Result<Server> {
        let data = self.dir.path().join("data");
        let mut command = self.command();
        command
            .arg("server")
            .env(
                "MICRO_PROFILE",
                match self.profile {
                    Profile::Local => "local",
                    Profile::Platform => "platform",
                },
            )
            .env("MICRO_DATA_DIR", &data)
            .env("MICRO_API_ADDRESS", "127.0.0.1:0")
            .env("MICRO_PROXY_ADDRESS", "127.0.0.1:0")
            .env("MICRO_NETWORK_ADDRESS", "127.0.0.1:0");
        if self.profile == Profile::Platform {
            command
                .env("MICRO_PAYMENTS", "off")
                .env("MICRO_WEB_ADDRESS", "127.0.0.1:0")
                .env("MICRO_ADMIN_ADDRESS", "127.0.0.1:0");
        }
        if let Some(tenants) = tenants {
            command.env("MICRO_AUTH_PRIVATE_KEY", tenants.private_key().expose_secret());
        }
        let log = self.dir.path().join("server.log");
        let began = Instant::now();
        let mut process = Process::start(&mut command, &log, core)?;
        let addresses = data.join("addresses.json");
        let serves = eventually("the server serves", Duration::from_secs(120), || {
            let look = process.check().map(|()| fs::read(&addresses).ok());
            async move { Ok(look?.and_then(|text| serde_json::from_slice(&text).ok())) }
        });
        let at = serves
            .await
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Server {
            process,
            at,
            started_in: began.elapsed(),
        })
    }
}

impl Server {
    /// Its meter.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::of(Whose::Process(self.process.pid()))
    }

    /// How much memory it holds.
    pub fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.process.pid())
    }

    /// A client of the door for command lines.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(Endpoint::parse(&self.at.proxy.to_string())?))
    }

    /// Registers the backend in each tenant's namespace, for as long as the server lives.
    pub async fn register(&self, tenants: &Tenants, backend: SocketAddr) -> Result<()> {
        let registry = RegistryClient::new(self.client()?);
        for token in tenants.tokens() {
            let service = Service {
                name: "greeter".into(),
                version: "latest".into(),
                nodes: vec![Node {
                    id: "greeter-1".into(),
                    address: backend.to_string(),
                    ..Node::default()
                }],
                options: Some(Options::default()),
                ..Service::default()
            };
            registry.register(&caller(token), service).await?;
        }
        Ok(())
    }

    /// Waits until the server has spent next to nothing for a while: what starting left to do is done.
    pub async fn settle(&self) -> Result<()> {
        const WHILE: Duration = Duration::from_secs(1);
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let cpu = self.cpu()?;
            tokio::time::sleep(WHILE).await;
            if cpu.micros()? <= 20_000.0 {
                break;
            }
        }
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        self.process.stop().await
    }
}

/// Whoever has that `authorization`.
pub fn caller(authorization: &str) -> Caller {
    let token = authorization.trim_start_matches("Bearer ");
    Caller::outgoing(Some(token.into()), Metadata::default())
}

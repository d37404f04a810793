//! What rows about the doors are measured with: a server on a core of its own, a backend behind it, and Envoy in front
//! of the same backend.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;

use crate::{
    harness::{Cpu, Load, Sample, Settings},
    world::{
        backend,
        cores::{Cores, on_core},
        envoy::Envoy,
        local::{Home, Profile, Server},
        tenants::Tenants,
    },
};

/// Tenants whose turn it is one after another: together their plans allow more than one core can do.
const TENANTS: usize = 64;

/// Servers, ready.
pub struct Doors {
    /// Ours: the local profile, with authentication on.
    pub server: Server,
    /// The peer, if it is on this machine.
    pub envoy: Option<Envoy>,
    /// The service behind both.
    pub backend: SocketAddr,
    /// Whoever calls.
    pub tenants: Tenants,
    cores: Cores,
    _home: Home,
}

impl Doors {
    /// Starts everything.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let cores = Cores::split()?;
        let tenants = Tenants::found(settings.size(TENANTS, 4));
        let backend = backend::start(cores.rest)?;
        let home = Home::new(settings, Profile::Local)?;
        let server = home.start(Some(cores.server), Some(&tenants)).await?;
        server.register(&tenants, backend).await?;
        let envoy = match &settings.envoy {
            Some(program) => Some(Envoy::start(program, cores.server, backend, &tenants).await?),
            None => None,
        };
        server.settle().await?;
        Ok(Self {
            server,
            envoy,
            backend,
            tenants,
            cores,
            _home: home,
        })
    }

    /// Each caller's `authorization`.
    pub fn tokens(&self) -> Arc<[String]> {
        self.tenants.tokens().into()
    }

    /// Loads something from the core where the load belongs, and reads the meter of who is loaded.
    pub async fn load<M, F>(&self, cpu: Option<Cpu>, make: M) -> Result<Sample>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Load>>,
    {
        let load = on_core(self.cores.rest, make).await?;
        let cpu_micros = match cpu {
            Some(cpu) => cpu.micros_each(load.operations)?,
            None => None,
        };
        Ok(Sample {
            cpu_micros,
            ..load.sample()
        })
    }

    /// Stops the server.
    pub async fn close(self) -> Result<()> {
        self.server.stop().await
    }
}

/// A round at a quick run's length still has to hold some calls of the open loop.
pub fn at_least(length: Duration) -> Duration {
    length.max(Duration::from_millis(20))
}

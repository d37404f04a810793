//! Among replicas one runs services, the one that holds the lease; the others pass calls for services on to it. Whoever
//! gets the lease takes over what is to run; whoever may have lost it ends what it ran, at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use micro_clock::Clock;
use micro_gateway::{Addresses, Leader, Leadership, Replica};
use micro_rpc::mesh::Duty;
use micro_runtime::Runtime;
use micro_serve::Config;
use micro_storage::{SystemDb, leases::Lease};
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    DRAIN,
    core::{Ground, Open, prepare_toolchains},
};

/// The lease's name.
const LEASE: &str = "runtime";
/// How long the leader is believed to live without saying so.
const LASTS: Duration = Duration::from_secs(6);
/// How long the leader itself believes so: less, by what the clocks of two machines may differ.
const SURE: Duration = Duration::from_secs(5);
const RENEW_EVERY: Duration = Duration::from_millis(1_500);
const RENEW_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the others look whether the lease is free.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a start waits for a leader, be it itself.
const FIRST: Duration = Duration::from_secs(30);

/// One replica's part in it.
pub struct Leading {
    leadership: Arc<Leadership>,
    runtime: Arc<Runtime>,
    registry: micro_registry::App,
    clock: Arc<dyn Clock>,
    db: SystemDb,
    /// Where this replica is reached, for those who find the lease taken.
    here: Replica,
}

impl Leading {
    /// For a server whose doors are open.
    pub fn new(config: &Config, ground: &Ground, open: &Open, db: SystemDb) -> Self {
        Self {
            leadership: open.leadership.clone(),
            runtime: open.runtime.clone(),
            registry: open.registry.clone(),
            clock: ground.clock.clone(),
            db,
            here: advertised(config, open.gateway.addresses()),
        }
    }

    /// Returns once somebody leads: from then on every call finds its way.
    pub async fn settled(leadership: &Leadership) {
        if leadership.leader_but(&Leader::Nobody, FIRST).await == Leader::Nobody {
            tracing::warn!("no server runs services yet: calls for them wait");
        }
    }

    /// Leads or follows until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut followed = None;
        while !stop.is_cancelled() {
            let (asked, now) = (Instant::now(), self.clock.now());
            let note = serde_json::to_string(&self.here).unwrap_or_default();
            match Lease::take_noting(&self.db, LEASE, &note, LASTS, now).await {
                Ok(Ok(lease)) => {
                    self.lead(lease, asked, now, &stop).await;
                    followed = None;
                }
                Ok(Err(held)) => {
                    if followed.as_ref() != Some(&held.by) {
                        self.follow(&held.note).await;
                        followed = Some(held.by);
                    }
                    self.leadership.see(serde_json::from_str(&held.note).ok());
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "nobody knows who runs services"
                    );
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Another one leads: nothing of this replica's may run any more.
    async fn follow(&self, leader: &str) {
        tracing::info!(
            leader,
            "another server runs services: calls for them are passed on to it"
        );
        if let Err(error) = self.runtime.end_leftovers().await {
            tracing::error!(error = &error as &dyn std::error::Error, "what ran here may run on");
        }
    }

    async fn lead(&self, lease: Lease, asked: Instant, now: OffsetDateTime, stop: &CancellationToken) {
        self.leadership.hold(asked, now, SURE);
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep(&lease) => tracing::error!("this server may have been replaced: it ends the services it runs"),
            Err(error) = self.serve(&lease) => tracing::error!(error = &*error, "this server cannot run services"),
        }
        self.leadership.see(None);
        self.registry.lay_down();
        // Polled or not, from here on everything ends.
        let ended = self.runtime.lay_down();
        // Not waited for: what still ends here is reached by nobody any more.
        if !matches!(timeout(RENEW_TIMEOUT, lease.release()).await, Ok(Ok(()))) {
            tracing::warn!("the lease was not given back: it ends by itself");
        }
        if timeout(DRAIN, ended).await.is_err() {
            tracing::warn!("some instances had not ended yet");
        }
    }

    /// Returns once the lease may be somebody else's.
    async fn keep(&self, lease: &Lease) {
        loop {
            sleep(RENEW_EVERY).await;
            let (asked, now) = (Instant::now(), self.clock.now());
            match timeout(RENEW_TIMEOUT, lease.renew(now)).await {
                Ok(Ok(true)) => self.leadership.hold(asked, now, SURE),
                Ok(Ok(false)) => return,
                failed => {
                    tracing::warn!(?failed, "the lease could not be renewed");
                    if !self.leadership.holds() {
                        return;
                    }
                }
            }
        }
    }

    /// Takes over what is to run, then lets requests through. Returns only where that fails.
    async fn serve(&self, lease: &Lease) -> Result<()> {
        let began = Instant::now();
        self.registry.load().await.context("reading registrations")?;
        self.runtime.take_over().await.context("taking over what runs")?;
        self.registry.forget_lost().await;
        self.leadership.serve();
        let took = began.elapsed();
        tracing::info!(fence = lease.fence(), ?took, "this server runs services now");
        prepare_toolchains(self.runtime.clone());
        self.runtime.see_off().await;
        Ok(())
    }
}

/// Where other replicas reach this one: as configured, or where its doors are.
fn advertised(config: &Config, doors: Addresses) -> Replica {
    let at = |door: std::net::SocketAddr| match &config.advertise_address {
        Some(host) => format!("{host}:{}", door.port()),
        None => door.to_string(),
    };
    Replica {
        proxy: at(doors.proxy),
        api: at(doors.api),
    }
}

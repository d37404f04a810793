//! Key-value records and blobs of each namespace, as Micro's services and command line use them; and ours beside
//! them: records with versions, blobs that are taken up again where they stopped, snapshots.
//!
//! `grpc` are the doors, `app` the operations, `store` how entries and blobs are kept. A database that a request
//! names is a namespace's name: it is compared with what the caller may enter, and never looked up.

mod app;
mod error;
mod grpc;
mod store;

use std::{sync::Arc, time::Duration as Patience};

use micro_clock::Clock;
use micro_domain::{Limits, NamespaceId};
use micro_limits::InFlight;
use micro_proto::store::{BlobStoreServer, BlobsServer, RecordsServer, SnapshotsServer, StoreServer};
use micro_rpc::Service;
use micro_storage::{StoreError, blobs::Blobs, records::Records};
use micro_tenancy::{Authority, bounded::Bounded};
use tokio::time::{MissedTickBehavior, interval};

pub use app::uploads::PIECE;
pub use error::Refusal;

use crate::{app::uploads::Counted, store::turns::Turns};

/// Uploads whose digest is remembered as far as it is counted: others are read again at their end.
const COUNTED: usize = 10_000;

/// What the store stands on: boot fills it.
pub struct Parts {
    /// Where records are kept, and which blobs there are.
    pub records: Arc<dyn Records>,
    /// Where blobs are kept.
    pub blobs: Arc<dyn Blobs>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// To find what has been left lying in every namespace.
    pub authority: Authority,
    /// How much a namespace may keep.
    pub limits: Limits,
}

/// The store service. Clones are the same service.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    /// Big answers that are being put together.
    finding: InFlight<NamespaceId>,
    /// Long searches.
    turns: Turns,
    /// Blobs that arrive.
    senders: InFlight<NamespaceId>,
    /// Blobs that are being read.
    reading: InFlight<(NamespaceId, String)>,
    counted: Arc<Bounded<(NamespaceId, String), Counted>>,
}

impl App {
    /// The service on its parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            finding: InFlight::default(),
            turns: Turns::default(),
            senders: InFlight::default(),
            reading: InFlight::default(),
            counted: Arc::new(Bounded::new(COUNTED)),
        }
    }

    /// What it answers over gRPC.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        let app = Arc::new(self.clone());
        vec![
            Arc::new(grpc::Served(StoreServer::new(app.clone()))),
            Arc::new(RecordsServer::new(app.clone())),
            Arc::new(BlobStoreServer::new(app.clone())),
            Arc::new(BlobsServer::new(app.clone())),
            Arc::new(SnapshotsServer::new(app)),
        ]
    }

    /// Removes what has expired every minute, and bytes that nothing leads to every ten, of all namespaces, until it
    /// is dropped: boot spawns it.
    pub async fn keep_swept(self) {
        // Beside each other: where bytes lie may be slow, or away.
        let expired = every(Patience::from_secs(60), || async { self.sweep().await.map(drop) });
        let bytes = every(Patience::from_secs(600), || self.collect());
        tokio::join!(expired, bytes);
    }

    /// Removes what has expired, in steps that keep nobody waiting; how many records that were.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        const STEP: usize = 1_000;
        let now = self.parts.clock.now();
        let mut gone = 0;
        loop {
            let step = self.parts.records.sweep(now, STEP).await?;
            gone += step;
            if step < STEP {
                return Ok(gone);
            }
        }
    }
}

/// Does something again and again.
async fn every<F: Future<Output = Result<(), StoreError>>>(period: Patience, housekeeping: impl Fn() -> F) {
    let mut due = interval(period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(error) = housekeeping().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the store could not be swept, and is again in a while");
        }
    }
}

//! Key-value records and blobs of each namespace, as Micro's services and command line use them.
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
use micro_proto::store::{BlobStoreServer, RecordsServer, StoreServer};
use micro_rpc::Service;
use micro_storage::{StoreError, blobs::Blobs, records::Records};

pub use error::Refusal;

/// What the store stands on: boot fills it.
pub struct Parts {
    /// Where records are kept, and which blobs there are.
    pub records: Arc<dyn Records>,
    /// Where blobs are kept.
    pub blobs: Arc<dyn Blobs>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How much a namespace may keep.
    pub limits: Limits,
}

/// The store service. Clones are the same service.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    /// Big answers that are being put together.
    finding: InFlight<NamespaceId>,
}

impl App {
    /// The service on its parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            finding: InFlight::default(),
        }
    }

    /// What it answers over gRPC.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        let app = Arc::new(self.clone());
        vec![
            Arc::new(StoreServer::new(app.clone())),
            Arc::new(RecordsServer::new(app.clone())),
            Arc::new(BlobStoreServer::new(app)),
        ]
    }

    /// Removes what has expired, of all namespaces, every minute, until it is dropped: boot spawns it.
    pub async fn keep_swept(self) {
        let mut tick = tokio::time::interval(Patience::from_secs(60));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.sweep().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "expired records could not be removed");
            }
        }
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

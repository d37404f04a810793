//! Configuration of each namespace: one JSON tree, read and changed by dotted paths, with secrets sealed in it.
//!
//! `grpc` is the door, `app` the operations, `tree` what a change does to a tree, `keys` how secrets are sealed.

mod app;
mod error;
mod grpc;
mod keys;
mod path;
mod tree;

use std::sync::Arc;

use micro_clock::Clock;
use micro_domain::{Limits, NamespaceId};
use micro_limits::InFlight;
use micro_proto::config::{ConfigServer, WatcherServer};
use micro_rpc::Service;
use micro_storage::records::Records;
use tokio::sync::broadcast;

pub use error::Refusal;
pub use keys::{InvalidKeys, KeyRing};

/// What config stands on: boot fills it.
pub struct Parts {
    /// Where the trees are kept.
    pub records: Arc<dyn Records>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What secrets are sealed with.
    pub keys: KeyRing,
    /// How much a namespace may keep.
    pub limits: Limits,
}

/// The config service. Clones are the same service.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    /// Told which namespace's tree this process has changed.
    changes: broadcast::Sender<NamespaceId>,
    /// Watches that are open in this process.
    watchers: InFlight<NamespaceId>,
}

/// So many changes behind, a watcher looks by itself.
const BEHIND: usize = 256;

impl App {
    /// The service on its parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            changes: broadcast::Sender::new(BEHIND),
            watchers: InFlight::default(),
        }
    }

    /// What it answers over gRPC.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        let app = Arc::new(self.clone());
        vec![
            Arc::new(ConfigServer::new(app.clone())),
            Arc::new(WatcherServer::new(app)),
        ]
    }
}

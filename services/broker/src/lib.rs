//! Publish and subscribe inside one namespace, fire and forget: what nobody listens to is gone.
//!
//! Each subscriber has a bounded buffer. One that does not keep up slows nobody: what does not fit is left out, and
//! the next message that it gets says so in its header [`MISSED`]. (Ending its stream would be louder; but older
//! clients subscribe again without their token, and would be refused ever after: reference/micro-wire §10.2 #40.)
//!
//! `grpc` is the door, `exchange` what carries messages: in this process, or through Redis where there are replicas.

mod error;
mod exchange;
mod grpc;
mod headers;
mod mailbox;
mod memory;
mod redis;
mod seats;
mod usage;

use std::sync::Arc;

use micro_domain::Limits;
use micro_proto::broker::BrokerServer;
use micro_rpc::Service;

pub use error::{BrokerError, ExchangeError};
pub use exchange::{Address, Exchange, Subscription};
pub use mailbox::{BUFFERED_BYTES, BUFFERED_MESSAGES, MISSED};
pub use memory::MemoryExchange;
pub use redis::RedisExchange;

use crate::seats::Seats;

/// What the broker stands on: boot fills it.
pub struct Parts {
    /// Carries messages from publishers to subscribers.
    pub exchange: Arc<dyn Exchange>,
    /// How much a namespace may do; subscribers and topics are counted in this process.
    pub limits: Limits,
}

/// The broker. Clones are the same broker.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    seats: Seats,
}

impl App {
    /// A broker to which nobody subscribes yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            seats: Seats::default(),
        }
    }

    /// What it answers over gRPC.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        vec![Arc::new(BrokerServer::new(Arc::new(self.clone())))]
    }
}

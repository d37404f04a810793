//! How much somebody may do in a while: rates, shared through Redis where there are replicas, and how much at
//! once, counted in this process.

mod in_flight;
mod memory;
mod rate;
mod rations;
mod redis;

pub use in_flight::{InFlight, Permit};
pub use memory::MemoryLimiter;
pub use rate::{Allowed, Exceeded, LimitKey, Rate};
pub use rations::Rations;
pub use redis::RedisLimiter;

use async_trait::async_trait;
use time::OffsetDateTime;

/// Counts what is done against what is allowed.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Takes `cost` from what `key` may do, or says how long to wait. What is refused costs nothing.
    async fn take(&self, key: LimitKey, cost: u32, rate: Rate, now: OffsetDateTime) -> Result<(), Exceeded>;
}

//! What tests build on: a real database of their own, authority, a clock that stands still, and lost races on demand.
//!
//! ```no_run
//! # async fn example() {
//! use micro_testkit::{TestDb, tenant};
//!
//! let test = TestDb::new().await;
//! let db = test.db().await;
//! let ada = tenant("ada-ns");
//! let tx = db.begin(&ada).await.expect("a database");
//! # }
//! ```

mod authority;
mod database;
mod eventually;
mod flaky;
mod interleaved;
mod redis;
mod server;

pub use authority::{authority, principal, tenant, tenant_of};
pub use database::TestDb;
pub use eventually::eventually;
pub use flaky::FlakyProxy;
pub use interleaved::InterleavedRecords;
pub use micro_clock::TestClock;
pub use redis::RedisServer;

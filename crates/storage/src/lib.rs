//! Everything that lasts: Records, Log and Blobs for the core services, on memory, one file or SQL; and the
//! control plane's relational tables behind [`Db`].

pub mod blobs;
pub mod db;
mod error;
mod failpoint;
pub mod file;
mod holder;
pub mod jobs;
pub mod leases;
pub mod log;
pub mod memory;
pub mod records;
pub mod saga;
pub mod sql;

pub use db::{Db, Scoped, SystemDb, SystemTx, migrate, retrying};
pub use error::StoreError;
pub use failpoint::failpoint;
pub use holder::Holder;
pub use micro_postgres::Urls;

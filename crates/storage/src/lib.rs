//! Everything that lasts: Records, Log and Blobs for the core services, on memory, one file or SQL; and the
//! control plane's relational tables behind [`Db`].

pub mod blobs;
mod error;
pub mod log;
pub mod memory;
pub mod records;

pub use error::StoreError;

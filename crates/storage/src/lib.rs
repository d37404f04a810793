//! Everything that lasts: Records, Log and Blobs for the core services, on memory, one file or SQL; and the
//! control plane's relational tables behind [`Db`].

mod error;
pub mod blobs;
pub mod log;
pub mod records;

pub use error::StoreError;

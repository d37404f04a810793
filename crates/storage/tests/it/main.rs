//! Storage against real back ends.

mod backends;
mod blobs;
mod catalogue;
mod dialect;
mod jobs;
mod kills;
mod leases;
mod log;
mod migrations;
mod model;
mod records;
mod sagas;
mod scopes;
mod shared;

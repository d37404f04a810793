//! Storage against real back ends.

mod backends;
mod blobs;
mod catalogue;
mod jobs;
mod leases;
mod log;
mod migrations;
mod records;
mod sagas;
mod scopes;

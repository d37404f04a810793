//! Storage against real back ends.

mod backends;
mod blobs;
mod boot;
mod catalogue;
mod dialect;
mod jobs;
mod kills;
mod leases;
mod log;
mod migrations;
mod model;
mod plans;
mod records;
mod sagas;
mod scopes;
mod shared;

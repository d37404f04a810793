//! Storage against real back ends.

mod backends;
mod blobs;
mod boot;
mod catalogue;
mod combiner;
mod cuts;
mod dialect;
mod flusher;
mod foreign;
mod histories;
mod jobs;
mod kills;
mod leases;
mod log;
mod log_pages;
mod migrations;
mod model;
mod plans;
mod quotas;
mod records;
mod sagas;
mod scopes;
mod shared;

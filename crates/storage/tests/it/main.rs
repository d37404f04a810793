//! Storage against real back ends.

mod catalogue;
mod jobs;
mod leases;
mod migrations;
mod sagas;
mod scopes;

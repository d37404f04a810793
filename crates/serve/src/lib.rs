//! What every server process needs around its services: configuration read whole before a port opens,
//! telemetry, the addresses file, and an orderly stop.

pub mod addresses;
pub mod config;
pub mod probes;
pub mod shutdown;
pub mod telemetry;

pub use config::{Config, Problems, Profile, Sources};

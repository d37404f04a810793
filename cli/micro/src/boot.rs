//! Joins the services of a profile into one process: configuration → adapters → services → doors. The only
//! place that sees all of them.

mod banner;
mod broker_and_events;
mod core;
mod data_dir;
mod leading;
mod local;
mod operators_door;
mod platform;
mod ports;
mod sdk;
mod store_and_config;
mod stores;
mod usage;

use std::time::Duration;

use anyhow::{Context, Result};
use micro_serve::{Config, shutdown};

use crate::commands::server::is_root;
use data_dir::DataDir;

/// How long everything that was started may take to stop: the promise is five seconds in all.
const STOP: Duration = Duration::from_millis(3_500);
/// How long requests and instances may take of that: streams of waiting terminals never end by themselves.
const DRAIN: Duration = Duration::from_secs(3);

/// Serves until asked to stop; then stops everything that was started.
pub async fn serve(config: Config) -> Result<()> {
    let stop = shutdown::on_signal().context("listening for Ctrl-C")?;
    let data = DataDir::hold(&config.data_dir, is_root())?;
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    if config.profile.is_platform() {
        platform::serve(config, data, stop).await
    } else {
        local::serve(config, data, stop).await
    }
}

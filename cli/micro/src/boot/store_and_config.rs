//! Store and config: what tenants keep. The key that seals their secrets is given, or made in the data directory.

use std::sync::Arc;

use anyhow::{Context, Result};
use micro_config::KeyRing;
use micro_domain::Limits;
use micro_serve::Config;

use super::{core::Ground, data_dir::DataDir, stores::Stores, usage::Serving};

/// Both, at work: what has expired is swept from now on. Config itself is also for those who care for its keys.
pub fn start(
    config: &Config,
    data: &DataDir,
    ground: &Ground,
    stores: &Stores,
) -> Result<(Serving, micro_config::App)> {
    let store = micro_store::App::new(micro_store::Parts {
        records: stores.records.clone(),
        blobs: stores.blobs.clone(),
        clock: ground.clock.clone(),
        authority: ground.authority.clone(),
        limits: Limits::DEVELOPER,
    });
    let keys = match &config.config_secret_key {
        Some(given) => given.clone(),
        None => data.secret("config", KeyRing::generate)?,
    };
    let values = micro_config::App::new(micro_config::Parts {
        records: stores.records.clone(),
        clock: ground.clock.clone(),
        keys: KeyRing::parse(&keys).context("MICRO_CONFIG_SECRET_KEY")?,
        limits: Limits::DEVELOPER,
    });
    let mut services = store.services();
    services.extend(values.services());
    tokio::spawn(store.clone().keep_swept());
    let serving = Serving {
        services,
        reports: vec![Arc::new(store), Arc::new(values.clone())],
    };
    Ok((serving, values))
}

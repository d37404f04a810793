//! Broker and events: what services tell each other, lost if nobody listens or kept for who comes later.

use std::sync::Arc;

use anyhow::{Context, Result};
use micro_broker::{Exchange, MemoryExchange, RedisExchange};
use micro_domain::Limits;
use micro_serve::Config;
use secrecy::ExposeSecret;

use super::{core::Ground, stores::Stores, usage::Serving};

/// Both, at work. With Redis other servers may publish too, but to a `local` one's file.
pub async fn start(config: &Config, ground: &Ground, stores: &Stores, local: bool) -> Result<Serving> {
    let exchange: Arc<dyn Exchange> = match &config.redis_url {
        Some(url) => Arc::new(RedisExchange::connect(url.expose_secret()).await.context("REDIS_URL")?),
        None => Arc::new(MemoryExchange::default()),
    };
    let broker = micro_broker::App::new(micro_broker::Parts {
        exchange,
        limits: Limits::DEVELOPER,
    });
    let events = micro_events::App::new(micro_events::Parts {
        log: stores.log.clone(),
        records: stores.records.clone(),
        clock: ground.clock.clone(),
        limiter: ground.limiter.clone(),
        authority: ground.authority.clone(),
        limits: Limits::DEVELOPER,
        shared: config.redis_url.is_some() && !local,
    });
    let mut services = broker.services();
    services.extend(events.services());
    tokio::spawn(events.clone().keep());
    Ok(Serving {
        services,
        reports: vec![Arc::new(broker), Arc::new(events)],
    })
}

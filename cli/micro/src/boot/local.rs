//! One person's server: no database, no signup, user admin/micro.

use std::{net::TcpListener, sync::Arc};

use anyhow::{Context, Result};
use micro_gateway::Metrics;
use micro_serve::{Config, addresses::Addresses};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::{
    banner::Banner,
    core::{Choices, Core, Ground},
    data_dir::DataDir,
    ports::AnyNamespace,
    stores::Stores,
};

/// Boots a local server, serves until `stop`, and stops what it started.
pub async fn serve(mut config: Config, data: DataDir, stop: CancellationToken) -> Result<()> {
    // Services started here reach the core through the command line's door: its port must be known before them.
    if config.proxy_address.port() == 0 {
        config.proxy_address = TcpListener::bind(config.proxy_address)?.local_addr()?;
    }
    config.network_address = config.proxy_address;
    let ground = Ground::lay(&config, &data).await?;
    let stores = Stores::local(&config, &data).await?;
    let choices = Choices {
        auth: micro_auth::AuthConfig::local,
        local: true,
        directory: Arc::new(micro_auth::NoDirectory),
        namespaces: Arc::new(micro_auth::LocalNamespaces),
        find_namespace: Arc::new(AnyNamespace),
    };
    let core = Core::new(&config, &ground, &stores, choices);
    let open = core
        .open(
            &config,
            &data,
            &ground,
            &stores,
            Arc::new(Metrics::register(&mut Registry::default())),
            vec![],
        )
        .await?;
    let addresses = Addresses {
        api: open.gateway.addresses().api,
        proxy: open.gateway.addresses().proxy,
        web: None,
        network: None,
        admin: None,
        pid: std::process::id(),
    };
    let banner = Banner {
        addresses: &addresses,
        public_url: None,
        mailbox: false,
        operator_secret: None,
        default_admin: true,
    };
    banner.print();
    // Last: who waits for this file finds everything said and served.
    addresses.write(data.path()).context("writing addresses.json")?;
    stop.cancelled().await;
    Addresses::remove(data.path()).ok();
    open.stop().await;
    Ok(())
}

//! One person's server: no database, no signup, user admin/micro.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use anyhow::{Context, Result};
use micro_gateway::{Leadership, Metrics, check_free};
use micro_serve::{Config, addresses::Addresses};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::{
    banner::Banner,
    core::{self, Choices, Core, Ground},
    data_dir::DataDir,
    ports::AnyNamespace,
    stores::Stores,
};

/// Where services that a person starts by hand look for a server if they are not told.
const USUAL_NETWORK_DOOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// Boots a local server, serves until `stop`, and stops what it started.
pub async fn serve(mut config: Config, data: DataDir, stop: CancellationToken) -> Result<()> {
    let network = network_door(&config);
    let mut doors = vec![
        ("MICRO_PROXY_ADDRESS", config.proxy_address),
        ("MICRO_API_ADDRESS", config.api_address),
    ];
    doors.extend(network.map(|at| ("MICRO_NETWORK_ADDRESS", at)));
    check_free(&doors)?;
    // The times of these lines are what a start is made faster by: MICRO_LOG=micro=debug.
    tracing::debug!("the ports are free");
    // Services started here reach the core through the command line's door: its port must be known before them.
    if config.proxy_address.port() == 0 {
        config.proxy_address = TcpListener::bind(config.proxy_address)?.local_addr()?;
    }
    config.network_address = config.proxy_address;
    let ground = Ground::lay(&config, &data).await?;
    tracing::debug!("the keys are there");
    let stores = Stores::local(&config, &data).await?;
    tracing::debug!("the stores are open");
    let choices = Choices {
        auth: micro_auth::AuthConfig::local,
        local: true,
        directory: Arc::new(micro_auth::NoDirectory),
        namespaces: Arc::new(micro_auth::LocalNamespaces),
        find_namespace: Arc::new(AnyNamespace),
        network,
        leadership: Arc::new(Leadership::alone()),
        confinement: core::confinement(&config).await?,
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
    tracing::debug!("the services are started and the doors open");
    let addresses = Addresses {
        api: open.gateway.addresses().api,
        proxy: open.gateway.addresses().proxy,
        web: None,
        network: open.gateway.addresses().network,
        admin: None,
        pid: std::process::id(),
    };
    let banner = Banner {
        addresses: &addresses,
        data_dir: Some(data.path()),
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

/// The door for services started by hand. Its usual port is other programs' too: then a local server, whose own
/// services come through the command line's door, does without.
fn network_door(config: &Config) -> Option<SocketAddr> {
    let at = config.network_address;
    match check_free(&[("MICRO_NETWORK_ADDRESS", at)]) {
        Err(e) if at == USUAL_NETWORK_DOOR => {
            tracing::warn!(
                "{e}. Until then a service started by hand needs MICRO_PROXY={}",
                config.proxy_address
            );
            None
        }
        _ => Some(at),
    }
}

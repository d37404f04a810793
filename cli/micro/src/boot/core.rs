//! The core services, joined: auth, registry, runtime and the doors. Every profile has them.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use micro_auth::{AuthConfig, RefreshKey};
use micro_clock::{Clock, SystemClock};
use micro_domain::Limits;
use micro_gateway::{Doors, FindNamespace, Gateway, GatewayConfig, Hop, Leadership, Metrics};
use micro_limits::{Limiter, MemoryLimiter, RedisLimiter};
use micro_proto::runtime::{BuildServer, ReleasesServer, RuntimeServer, SourceServer};
use micro_rpc::{Service, ServiceDescriptor};
use micro_runtime::{BuildEgress, InstanceTable, Runtime, RuntimeConfig, Toolchains};
use micro_sandbox::{Launcher, Mode};
use micro_serve::{Config, config::Confinement};
use micro_tenancy::{
    Authority, Revocations, Verifier,
    tokens::{KeyRing, SigningKey, Tokens},
};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use super::{DRAIN, broker_and_events, data_dir::DataDir, sdk, store_and_config, stores::Stores, usage::Serving};

/// Rates that are remembered in this process at once.
const RATES: usize = 100_000;
/// Builds at work at once.
const BUILDS: usize = 2;

/// What stands before any service: who may say who somebody is, time, keys, counters.
pub struct Ground {
    /// Minted once.
    pub authority: Authority,
    /// The machine's.
    pub clock: Arc<dyn Clock>,
    /// Signs tokens; other keys are derived from it.
    pub signing_key: SigningKey,
    /// Rates, shared through Redis when configured.
    pub limiter: Arc<dyn Limiter>,
}

impl Ground {
    /// Reads or makes the keys, and connects to Redis if there is one.
    pub async fn lay(config: &Config, data: &DataDir) -> Result<Self> {
        let key = match &config.auth_private_key {
            Some(given) => given.clone(),
            None => data.secret("auth", || SigningKey::generate().to_pem())?,
        };
        let signing_key = SigningKey::parse(key.expose_secret()).context("MICRO_AUTH_PRIVATE_KEY")?;
        let limiter: Arc<dyn Limiter> = match &config.redis_url {
            Some(url) => Arc::new(RedisLimiter::connect(url.expose_secret()).await.context("REDIS_URL")?),
            None => Arc::new(MemoryLimiter::new(RATES)),
        };
        #[expect(clippy::disallowed_methods, reason = "this is boot")]
        let authority = Authority::for_boot();
        Ok(Self {
            authority,
            clock: clock(),
            signing_key,
            limiter,
        })
    }
}

#[cfg(not(feature = "failpoints"))]
fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// In a build for tests the whole server may live later: `MICRO_CLOCK_AHEAD` seconds.
#[cfg(feature = "failpoints")]
fn clock() -> Arc<dyn Clock> {
    struct Ahead(time::Duration);
    impl Clock for Ahead {
        fn now(&self) -> time::OffsetDateTime {
            SystemClock.now() + self.0
        }
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's switch, not configuration: off in every release"
    )]
    let seconds = std::env::var("MICRO_CLOCK_AHEAD").ok().and_then(|s| s.parse().ok());
    Arc::new(Ahead(time::Duration::seconds(seconds.unwrap_or(0))))
}

/// What a profile decides for the core.
pub struct Choices {
    /// How auth behaves.
    pub auth: fn(Vec<RefreshKey>) -> AuthConfig,
    /// Whether this is one person's server.
    pub local: bool,
    /// Where addresses belong.
    pub directory: Arc<dyn micro_auth::Directory>,
    /// Which namespaces there are, for auth.
    pub namespaces: Arc<dyn micro_auth::Namespaces>,
    /// The same, for the doors.
    pub find_namespace: Arc<dyn FindNamespace>,
    /// Where services that have no door of their own find the core.
    pub network: Option<SocketAddr>,
    /// Whether this server runs services, or which of its replicas does.
    pub leadership: Arc<Leadership>,
    /// How tenants' code is confined.
    pub confinement: Mode,
}

/// Finds out how tenants' code can be confined, on a thread of its own: that takes a while, in which a server can
/// start other things.
pub async fn confinement(config: &Config) -> Result<Mode> {
    match config.sandbox {
        Confinement::Off => Ok(Mode::Plain),
        Confinement::Required => tokio::task::spawn_blocking(micro_sandbox::probe).await?.context(
            "tenants' code cannot be confined on this machine (MICRO_SANDBOX=off runs it unconfined: only for your own code)",
        ),
    }
}

/// The core before its doors are open: what the platform's services may call already.
pub struct Core {
    /// Accounts, tokens, rules.
    pub auth: micro_auth::App,
    registry: micro_registry::App,
    verifier: Arc<Verifier>,
    tokens: Arc<Tokens>,
    instances: Arc<InstanceTable>,
    find_namespace: Arc<dyn FindNamespace>,
    network: Option<SocketAddr>,
    leadership: Arc<Leadership>,
    confinement: Mode,
    local: bool,
}

impl Core {
    /// Joins auth and registry.
    pub fn new(config: &Config, ground: &Ground, stores: &Stores, choices: Choices) -> Self {
        let keys = KeyRing::new(&ground.signing_key, []);
        let tokens = Arc::new(Tokens::new(keys, &config.environment, "main", choices.local));
        let revocations = Arc::new(Revocations::default());
        let verifier = Arc::new(Verifier::new(tokens.clone(), revocations.clone()));
        let auth = micro_auth::App::new(
            micro_auth::Parts {
                records: stores.records.clone(),
                clock: ground.clock.clone(),
                authority: ground.authority.clone(),
                tokens: tokens.clone(),
                revocations,
                verifier: verifier.clone(),
                limiter: ground.limiter.clone(),
                directory: choices.directory,
                namespaces: choices.namespaces,
            },
            (choices.auth)(vec![RefreshKey::new(ground.signing_key.derive("refresh tokens"))]),
        );
        let instances = Arc::new(InstanceTable::default());
        let registry = micro_registry::App::new(micro_registry::Parts {
            records: stores.records.clone(),
            clock: ground.clock.clone(),
            authority: ground.authority.clone(),
            instances: instances.clone(),
            duty: choices.leadership.clone(),
            core: core_descriptors(),
            local: choices.local,
            limits: Limits::DEVELOPER,
        });
        Self {
            auth,
            registry,
            verifier,
            tokens,
            instances,
            find_namespace: choices.find_namespace,
            network: choices.network,
            leadership: choices.leadership,
            confinement: choices.confinement,
            local: choices.local,
        }
    }

    /// Opens the doors with `more` services behind them. A server that has no replicas takes over what runs already.
    pub async fn open(
        self,
        config: &Config,
        data: &DataDir,
        ground: &Ground,
        stores: &Stores,
        metrics: Arc<Metrics>,
        more: Vec<Arc<dyn Service>>,
    ) -> Result<Open> {
        self.auth.load_revocations().await.context("reading revocations")?;
        if !self.leadership.is_shared() {
            self.registry.load().await.context("reading registrations")?;
        }
        let doors = Doors::default();
        let runtime = Runtime::new(
            runtime_config(config, data, self.confinement)?,
            micro_runtime::Ports {
                records: stores.records.clone(),
                blobs: stores.blobs.clone(),
                ingress: Arc::new(doors.clone()),
                traffic: Arc::new(doors.clone()),
                registrations: Arc::new(self.registry.clone()),
                credentials: Arc::new(self.auth.clone()),
                instances: self.instances,
                duty: self.leadership.clone(),
                clock: ground.clock.clone(),
                authority: ground.authority.clone(),
            },
        )?;
        let mut serving = Serving {
            services: self.auth.services(),
            reports: vec![
                Arc::new(self.auth.clone()),
                Arc::new(self.registry.clone()),
                runtime.clone(),
            ],
        };
        serving.services.extend(self.registry.services());
        serving.services.extend(runtime_services(&runtime));
        let (kept, values) = store_and_config::start(config, data, ground, stores)?;
        serving.extend(kept);
        serving.extend(broker_and_events::start(config, ground, stores, self.local).await?);
        serving.services.extend(more);
        let gateway = Gateway::start(
            GatewayConfig {
                proxy: config.proxy_address,
                api: config.api_address,
                network: self.network,
                cores: None,
                tls: None,
                apps_domain: None,
                version: env!("CARGO_PKG_VERSION").into(),
                local: self.local,
                limits: Limits::DEVELOPER,
                core_runtime: Some(Handle::current()),
            },
            micro_gateway::Ports {
                authority: ground.authority.clone(),
                verifier: self.verifier.clone(),
                inspector: self.verifier,
                rulebook: Arc::new(self.auth.clone()),
                exchange: self.tokens,
                hop: Arc::new(Hop::new(
                    self.leadership.clone(),
                    &ground.signing_key.derive("replicas"),
                )),
                routes: Arc::new(self.registry.clone()),
                namespaces: self.find_namespace,
                limiter: ground.limiter.clone(),
                core: serving.counted(Limits::DEVELOPER),
                clock: ground.clock.clone(),
                metrics,
            },
        )?;
        let gateway = Arc::new(gateway);
        self.registry.reached_at(reached_at(config, gateway.addresses().proxy));
        doors.attach(gateway.clone());
        tokio::spawn(self.auth.follow_revocations());
        tokio::spawn(self.registry.clone().keep_leases());
        if !self.leadership.is_shared() {
            runtime.take_over().await.context("taking over what runs")?;
            self.registry.forget_lost().await;
        }
        Ok(Open {
            gateway,
            runtime,
            config: values,
            registry: self.registry,
            leadership: self.leadership,
        })
    }
}

/// The core at work.
pub struct Open {
    /// Its doors.
    pub gateway: Arc<Gateway>,
    /// What runs behind them.
    pub runtime: Arc<Runtime>,
    /// What it is told, and its secrets.
    pub config: micro_config::App,
    /// Where it is.
    pub registry: micro_registry::App,
    /// Whether it runs here.
    pub leadership: Arc<Leadership>,
}

impl Open {
    /// Ends every instance and lets requests finish, both at once.
    pub async fn stop(&self) {
        tokio::join!(self.gateway.stop(DRAIN), self.runtime.stop(DRAIN));
    }
}

/// Nobody's first build should wait for the SDK's dependencies.
pub fn prepare_toolchains(runtime: Arc<Runtime>) {
    tokio::spawn(async move {
        let tell = |line: String| tracing::info!("{line}");
        match runtime.prepare(&tell).await {
            Ok(()) => tracing::info!("toolchains are ready: first builds are warm"),
            Err(e) => tracing::warn!(
                error = &e as &dyn std::error::Error,
                "services cannot be built here yet"
            ),
        }
    });
}

fn runtime_services(runtime: &Arc<Runtime>) -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(RuntimeServer::new(runtime.clone())),
        Arc::new(SourceServer::new(runtime.clone())),
        Arc::new(BuildServer::new(runtime.clone())),
        Arc::new(ReleasesServer::new(runtime.clone())),
    ]
}

/// Where clients find the command line's door: the address inside is nobody's business.
fn reached_at(config: &Config, proxy: SocketAddr) -> String {
    let public = config.public_url.as_ref().and_then(|url| url.host_str());
    public.map_or_else(|| proxy.to_string(), |host| format!("{host}:{}", proxy.port()))
}

/// What the domain `micro` of the registry lists.
fn core_descriptors() -> Vec<&'static ServiceDescriptor> {
    micro_proto::services()
        .filter(|s| {
            matches!(
                s.package,
                "auth" | "broker" | "config" | "events" | "network" | "registry" | "runtime" | "store"
            )
        })
        .collect()
}

fn runtime_config(config: &Config, data: &DataDir, mode: Mode) -> Result<RuntimeConfig> {
    Ok(RuntimeConfig {
        data_dir: data.path().join("runtime"),
        launcher: Launcher::new(mode),
        network_address: config.network_address.to_string(),
        toolchains: Toolchains::new(&config.toolchains, std::env::vars()),
        sdk: Some(sdk::lay_out(data, config.cache_dir.join("sdk"))?),
        egress: BuildEgress::parse(config.build_egress.iter().map(String::as_str)).context("MICRO_BUILD_EGRESS")?,
        limits: Limits::DEVELOPER,
        builds: BUILDS,
    })
}

//! The hosted platform: everything of the core, and signup, billing, namespaces, operators and pages over a
//! database.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use axum::Router;
use micro_billing::Billing;
use micro_domain::{Money, Plan};
use micro_gateway::{Leadership, Metrics};
use micro_mail::{Mailbox, Mailer, Smtp};
use micro_namespaces::{IdentitiesService, NamespacesService};
use micro_operators::OperatorsService;
use micro_payments::{StripeConfig, StripePayments};
use micro_proto::{
    operators::{CustomersServer, JobsServer, NamespacesServer, OperatorsServer, SecretsServer},
    signup::{SessionServer, SignupServer},
};
use micro_rpc::{Service, server::Router as Rpcs};
use micro_sandbox::Mode;
use micro_serve::{
    Config,
    addresses::Addresses,
    config::{Mail, Payments},
};
use micro_signup::{Signup, SignupConfig, SignupLimits};
use micro_storage::{Db, jobs::Worker, leases::Lease};
use micro_tenancy::{Caller, SystemTask};
use micro_web::{WebConfig, WebListener};
use prometheus_client::{encoding::text::encode, registry::Registry};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    banner::Banner,
    core::{self, Choices, Core, Ground},
    data_dir::DataDir,
    leading::Leading,
    operators_door::{self, Door},
    ports::{Directory, Names, RuntimeWall, Secrets},
    stores::{Database, Stores},
};

/// How long transactions under way may take to end when the server stops.
const CLOSE: Duration = Duration::from_millis(500);
/// How long one call to the payment provider may take before its outcome counts as unknown.
const PAYMENT_PATIENCE: Duration = Duration::from_secs(20);
/// How long the one server of a platform without Redis is believed to live without saying so.
const LEASE: Duration = Duration::from_secs(15);

/// Boots the platform, serves until `stop`, and stops what it started.
pub async fn serve(config: Config, data: DataDir, stop: CancellationToken) -> Result<()> {
    let web = operators_door::bind(config.web_address, "MICRO_WEB_ADDRESS").await?;
    let ground = Ground::lay(&config, &data).await?;
    // The times of these lines are what a start is made faster by: MICRO_LOG=micro=debug.
    tracing::debug!("the keys are there");
    let (database, confinement) = tokio::try_join!(Database::open(&config, &data), core::confinement(&config))?;
    tracing::debug!("the database is open");
    let db = database.db.clone();
    let (lease, stores) = tokio::try_join!(
        sole_server(&config, &db, &ground),
        Stores::sql(&config, &data, &database)
    )?;
    tracing::debug!("the stores are open, and no other server uses them");

    let (core, services) = Services::join(&config, &ground, &db, &stores, web.local_addr()?, confinement)?;
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let more = vec![
        Arc::new(SignupServer::new(Arc::new(services.signup.clone()))) as Arc<dyn Service>,
        Arc::new(SessionServer::new(Arc::new(services.signup.clone()))),
    ];
    let open = core.open(&config, &data, &ground, &stores, metrics, more).await?;
    tracing::debug!("the services are started and the doors open");

    services.wall.attach(open.runtime.clone());
    services.secrets.attach(open.config.clone());
    let background = stop.child_token();
    let leading = Leading::new(&config, &ground, &open, db.system(SystemTask::Lease));
    let leading = match open.leadership.is_shared() {
        true => tokio::spawn(leading.run(background.clone())),
        false => tokio::spawn(async {}),
    };
    let worker = Worker::new(&db, ground.authority.clone(), ground.clock.clone());
    let worker = services.signup.on_jobs(services.billing.on_jobs(worker));
    let working = tokio::spawn(worker.run(background.clone()));
    let sweeping = services.signup.clone();
    let sweeper_stop = background.clone();
    tokio::spawn(async move { sweeping.keep_swept(sweeper_stop).await });

    let web_address = web.local_addr()?;
    let proxy = open.gateway.addresses().proxy;
    let pages = pages(&config, &services, proxy, ground.authority.system(SystemTask::Signup));
    let pages = tokio::spawn(serve_pages(web, pages, background.clone()));
    let admin = match config.admin_address {
        Some(address) => Some(operators_door::bind(address, "MICRO_ADMIN_ADDRESS").await?),
        None => None,
    };
    let addresses = Addresses {
        api: open.gateway.addresses().api,
        proxy: open.gateway.addresses().proxy,
        web: Some(web_address),
        network: None,
        admin: admin.as_ref().map(TcpListener::local_addr).transpose()?,
        pid: std::process::id(),
    };
    Leading::settled(&open.leadership).await;
    let operator_secret = services.operators.first_boot().await?;
    if let Some(listener) = admin {
        let door = operators_door(services.operators, &db, registry);
        tokio::spawn(operators_door::serve(listener, door, background.clone()));
    }
    Banner {
        addresses: &addresses,
        data_dir: None,
        public_url: Some(services.public_url.as_str()),
        mailbox: services.mailbox.is_some(),
        operator_secret,
        default_admin: false,
    }
    .print();
    // Last: who waits for this file finds everything said and served.
    addresses.write(data.path()).context("writing addresses.json")?;
    if !open.leadership.is_shared() {
        core::prepare_toolchains(open.runtime.clone());
    }

    let lost = keep_lease(lease, &ground, background.clone());
    tokio::select! {
        () = stop.cancelled() => {}
        () = lost => tracing::error!("another server took over this one's lease: stopping"),
    }
    Addresses::remove(data.path()).ok();
    background.cancel();
    // Pages and jobs that have not ended with the doors are cut short: the database stops under them.
    let ending = async { tokio::join!(leading, open.stop(), working, pages) };
    if tokio::time::timeout(super::STOP, ending).await.is_err() {
        tracing::warn!("not everything had ended when the server stopped");
    }
    let _closed = tokio::time::timeout(CLOSE, db.close()).await;
    database.stop().await;
    Ok(())
}

/// The platform's services, joined but not yet reachable.
struct Services {
    wall: Arc<RuntimeWall>,
    secrets: Arc<Secrets>,
    signup: Signup,
    billing: Billing,
    operators: Arc<OperatorsService>,
    price: Option<Money>,
    public_url: Url,
    mailbox: Option<Mailbox>,
}

impl Services {
    fn join(
        config: &Config,
        ground: &Ground,
        db: &Db,
        stores: &Stores,
        web: SocketAddr,
        confinement: Mode,
    ) -> Result<(Core, Self)> {
        let public_url = match &config.public_url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("http://{web}/"))?,
        };
        let (clock, authority) = (ground.clock.clone(), ground.authority.clone());
        let (wall, secrets) = (Arc::new(RuntimeWall::default()), Arc::new(Secrets::default()));
        let namespaces = Arc::new(NamespacesService::new(db.clone(), clock.clone(), vec![wall.clone()]));
        let identities = Arc::new(IdentitiesService::new(db.clone(), clock.clone()));
        let names = Arc::new(Names(namespaces.clone()));
        let core = Core::new(
            config,
            ground,
            stores,
            Choices {
                auth: micro_auth::AuthConfig::platform,
                local: false,
                directory: Arc::new(Directory {
                    identities: identities.clone(),
                    authority: authority.clone(),
                }),
                namespaces: names.clone(),
                find_namespace: names,
                network: None,
                leadership: leadership(config, ground),
                confinement,
            },
        );
        let billing = billing(config, ground, db)?;
        let mailbox = matches!(config.mail, Mail::Mailbox).then(|| Mailbox::new(clock.clone()));
        let mail = mailer(config, mailbox.as_ref())?;
        let price = matches!(config.payments, Payments::Stripe { .. }).then(|| Plan::Developer.monthly());
        let signup = Signup::new(
            SignupConfig {
                public_url: public_url.clone(),
                price,
                keys: micro_signup::Keys::new(ground.signing_key.derive("signup")),
                limits: SignupLimits::default(),
            },
            micro_signup::Ports {
                db: db.clone(),
                billing: Arc::new(billing.clone()),
                sessions: Arc::new(core.auth.clone()),
                namespaces: namespaces.clone(),
                identities: identities.clone(),
                mail,
                limits: ground.limiter.clone(),
                clock: clock.clone(),
                authority: authority.clone(),
            },
        );
        let operators = Arc::new(OperatorsService::new(
            db.clone(),
            micro_operators::Ports {
                namespaces,
                identities,
                billing: price.map(|_| Arc::new(billing.clone()) as _),
                secrets: secrets.clone(),
            },
            authority.clone(),
            clock,
        ));
        let services = Self {
            wall,
            secrets,
            signup,
            billing,
            operators,
            price,
            public_url,
            mailbox,
        };
        Ok((core, services))
    }
}

/// The web door's pages, and where the payment provider reports.
fn pages(config: &Config, services: &Services, proxy: SocketAddr, caller: Caller) -> Router {
    let public_host = config.public_url.as_ref().and_then(Url::host_str);
    micro_web::router(
        WebConfig {
            public_url: services.public_url.clone(),
            proxy_address: public_host.map_or_else(|| proxy.to_string(), |host| format!("{host}:{}", proxy.port())),
            price: services.price.map(|p| p.to_string()),
            checkout_origins: checkout_origins(config),
        },
        micro_web::Ports {
            pages: Arc::new(services.signup.clone()),
            caller,
            mailbox: services.mailbox.clone(),
            webhooks: services.billing.webhooks(),
        },
    )
}

fn billing(config: &Config, ground: &Ground, db: &Db) -> Result<Billing> {
    let payments: Option<Arc<dyn micro_payments::Payments>> = match &config.payments {
        Payments::Off => None,
        Payments::Stripe {
            api_base,
            secret_key,
            publishable_key,
            webhook_secret,
            price_id,
        } => Some(Arc::new(StripePayments::new(&StripeConfig {
            api_base: api_base.clone(),
            secret_key: secret_key.clone(),
            publishable_key: publishable_key.clone(),
            webhook_secret: webhook_secret.clone(),
            price: price_id.clone(),
            timeout: PAYMENT_PATIENCE,
        })?)),
    };
    Ok(Billing::new(micro_billing::Ports {
        db: db.clone(),
        payments,
        clock: ground.clock.clone(),
    }))
}

fn mailer(config: &Config, mailbox: Option<&Mailbox>) -> Result<Arc<dyn Mailer>> {
    match (&config.mail, mailbox) {
        (Mail::Smtp { url, from }, _) => Ok(Arc::new(Smtp::connect(url.expose_secret(), from).context("SMTP_URL")?)),
        (Mail::Mailbox, Some(mailbox)) => Ok(Arc::new(mailbox.clone())),
        (Mail::Mailbox, None) => bail!("mail has nowhere to go"),
    }
}

/// Where forms of ours may lead: the provider's own pages.
fn checkout_origins(config: &Config) -> Vec<String> {
    match &config.payments {
        Payments::Stripe {
            api_base: Some(url), ..
        } => vec![url.origin().ascii_serialization()],
        Payments::Stripe { .. } => vec!["https://checkout.stripe.com".into()],
        Payments::Off => vec![],
    }
}

/// Among replicas, one runs services.
fn leadership(config: &Config, ground: &Ground) -> Arc<Leadership> {
    Arc::new(match config.may_have_replicas() {
        true => Leadership::among_replicas(ground.clock.clone()),
        false => Leadership::alone(),
    })
}

/// Without Redis, two servers would each count limits for themselves and not hear each other's news: the second
/// living one is refused.
async fn sole_server(config: &Config, db: &Db, ground: &Ground) -> Result<Option<Lease>> {
    if config.redis_url.is_some() {
        return Ok(None);
    }
    let system = db.system(SystemTask::Lease);
    match Lease::take(&system, "server", LEASE, ground.clock.now()).await? {
        Ok(lease) => Ok(Some(lease)),
        Err(held) => bail!(
            "another server ({}) uses this database until {}; set REDIS_URL so that several may, or stop it",
            held.by,
            held.until
        ),
    }
}

/// Resolves when the lease is somebody else's; never where there is none.
async fn keep_lease(lease: Option<Lease>, ground: &Ground, stop: CancellationToken) {
    match lease {
        Some(lease) => {
            if lease.keep(ground.clock.clone(), stop).await {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}

async fn serve_pages(listener: TcpListener, pages: Router, stop: CancellationToken) {
    if let Err(e) = axum::serve(WebListener::new(listener), pages)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
    {
        tracing::error!(error = &e as &dyn std::error::Error, "the web door closed");
    }
}

fn operators_door(operators: Arc<OperatorsService>, db: &Db, registry: Registry) -> Door {
    let rpcs = Rpcs::default()
        .with(Arc::new(OperatorsServer::new(operators.clone())))
        .with(Arc::new(CustomersServer::new(operators.clone())))
        .with(Arc::new(NamespacesServer::new(operators.clone())))
        .with(Arc::new(JobsServer::new(operators.clone())))
        .with(Arc::new(SecretsServer::new(operators.clone())));
    let db = db.clone();
    Door {
        rpcs,
        authenticate: Arc::new(move |token: SecretString| {
            let operators = operators.clone();
            Box::pin(async move {
                match operators.authenticate(&token).await {
                    Ok(caller) => caller.unwrap_or_else(Caller::anonymous),
                    Err(e) => {
                        tracing::error!(
                            error = &e as &dyn std::error::Error,
                            "an operator's token could not be read"
                        );
                        Caller::anonymous()
                    }
                }
            })
        }),
        ready: Arc::new(move || {
            let db = db.clone();
            Box::pin(async move { db.ping().await.map_err(|_| "the database does not answer".to_owned()) })
        }),
        metrics: Arc::new(move || {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _written = encode(&mut text, &registry);
            text
        }),
    }
}

//! The control plane's relational tables. A [`Tenant`] opens a transaction in its own namespace, a
//! [`SystemTask`] one on the global tables; nothing else hands out a connection.

mod catalogue;
mod migrate;
mod retry;
mod scoped;
mod system;

use std::{sync::Arc, time::Duration};

use micro_postgres::Urls;
use micro_tenancy::{SystemTask, Tenant};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::Notify;

use crate::StoreError;

pub use migrate::{migrate, migrations_fingerprint};
pub use retry::retrying;
pub use scoped::Scoped;
pub use system::{SystemDb, SystemTx};

/// How many connections, and how long to wait for one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most connections of the serving role.
    pub serving: u32,
    /// Most connections of the system role.
    pub system: u32,
    /// How long a caller waits for a free connection.
    pub wait: Duration,
    /// Runs every transaction serializable, as CockroachDB does: for tests.
    pub serializable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            serving: 16,
            system: 8,
            wait: Duration::from_secs(5),
            serializable: false,
        }
    }
}

/// The database. Clones share its two pools.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    serving: PgPool,
    system: PgPool,
    /// For the shared connections of the hot paths, and whether they are serializable too.
    serving_url: SecretString,
    serializable: bool,
    /// Rung when a transaction that queued a job commits here.
    queued: Arc<Notify>,
}

impl Db {
    /// Connects both roles, and refuses a database that would not keep tenants apart (reference/spike-store §2).
    /// The database must have been migrated: see [`migrate`].
    pub async fn connect(urls: &Urls, options: Options) -> Result<Self, StoreError> {
        let pools = Self::pools(urls, &options).await?;
        Self::checked(urls, options, pools).await
    }

    /// [`migrate`] and [`Self::connect`] in one, in the time of the longer: sessions begin while the owner looks whether
    /// anything is to be done. Also says how many files were applied.
    pub async fn migrated(urls: &Urls, options: Options) -> Result<(Self, usize), StoreError> {
        let (applied, pools) = tokio::try_join!(migrate(urls), Self::pools(urls, &options))?;
        Ok((Self::checked(urls, options, pools).await?, applied))
    }

    async fn pools(urls: &Urls, options: &Options) -> Result<(PgPool, PgPool), StoreError> {
        tokio::try_join!(
            pool(&urls.serving, options.serving, options),
            pool(&urls.system, options.system, options)
        )
    }

    async fn checked(urls: &Urls, options: Options, pools: (PgPool, PgPool)) -> Result<Self, StoreError> {
        let (serving, system) = pools;
        catalogue::check(&serving, &system).await?;
        Ok(Self(Arc::new(Inner {
            serving,
            system,
            serving_url: urls.serving.clone(),
            serializable: options.serializable,
            queued: Arc::default(),
        })))
    }

    /// A transaction in the tenant's namespace, under row-level security.
    pub async fn begin(&self, tenant: &Tenant) -> Result<Scoped, StoreError> {
        // One round trip. The id is a UUID, which prints as nothing but hexadecimal digits and dashes.
        let begin = format!(
            "begin; select set_config('app.namespace_id', '{}', true)",
            tenant.id().uuid()
        );
        let tx = self.0.serving.begin_with(AssertSqlSafe(begin)).await?;
        Ok(Scoped::new(tx, tenant.namespace().clone(), self.0.queued.clone()))
    }

    /// The global tables, for a listed reason.
    pub fn system(&self, task: SystemTask) -> SystemDb {
        SystemDb::new(self.0.system.clone(), task, self.0.queued.clone())
    }

    pub(crate) fn serving_url(&self) -> (SecretString, bool) {
        (self.0.serving_url.clone(), self.0.serializable)
    }

    /// Whether both roles still get answers: what `/readyz` asks.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let one = "select 1";
        tokio::try_join!(
            sqlx::query(one).execute(&self.0.serving),
            sqlx::query(one).execute(&self.0.system)
        )?;
        Ok(())
    }

    /// Closes both pools, once what is under way has ended.
    pub async fn close(&self) {
        tokio::join!(self.0.serving.close(), self.0.system.close());
    }
}

async fn pool(url: &SecretString, most: u32, options: &Options) -> Result<PgPool, StoreError> {
    let mut connect = parse(url)?.application_name("micro").options([
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "60s"),
    ]);
    if options.serializable {
        connect = connect.options([("default_transaction_isolation", "serializable")]);
    }
    let pool = PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(options.wait)
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(1_800))
        .connect_with(connect)
        .await?;
    Ok(pool)
}

/// The URL's text never goes into the error: it holds a password.
fn parse(url: &SecretString) -> Result<PgConnectOptions, StoreError> {
    url.expose_secret()
        .parse()
        .map_err(|_| StoreError::Invalid("that is not the URL of a PostgreSQL database".into()))
}

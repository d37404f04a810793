//! Where things are kept, per profile: one file, memory, or a database that is given or our own.

use std::sync::Arc;

use anyhow::{Context, Result};
use micro_postgres::{Options, Postgres};
use micro_serve::{Config, Profile};
use micro_storage::{
    Db, Urls,
    blobs::{Blobs, ObjectBlobs},
    file,
    log::Log,
    memory::{MemoryBlobs, MemoryLog, MemoryRecords},
    records::Records,
    sql::{Hot, SqlLog, SqlRecords},
};

use super::data_dir::DataDir;

/// What core services keep things in.
pub struct Stores {
    /// Accounts, rules, releases.
    pub records: Arc<dyn Records>,
    /// Events.
    pub log: Arc<dyn Log>,
    /// Sources and artifacts.
    pub blobs: Arc<dyn Blobs>,
}

impl Stores {
    /// One file and one folder; nothing at all in profile test.
    pub async fn local(config: &Config, data: &DataDir) -> Result<Self> {
        if config.profile == Profile::Test {
            return Ok(Self {
                records: Arc::new(MemoryRecords::default()),
                log: Arc::new(MemoryLog::default()),
                blobs: Arc::new(MemoryBlobs::default()),
            });
        }
        let path = data.path().join("records.redb");
        let (records, log) = file::open(&path).with_context(|| path.display().to_string())?;
        Ok(Self {
            records: Arc::new(records),
            log: Arc::new(log),
            blobs: blobs(config, data)?,
        })
    }

    /// The database's records, and a folder of blobs.
    pub async fn sql(config: &Config, data: &DataDir, database: &Database) -> Result<Self> {
        let hot = Hot::connect(&database.db).await.context("connecting to the database")?;
        Ok(Self {
            records: Arc::new(SqlRecords::new(hot.clone(), &database.db)),
            log: Arc::new(SqlLog::new(hot)),
            blobs: blobs(config, data)?,
        })
    }
}

fn blobs(config: &Config, data: &DataDir) -> Result<Arc<dyn Blobs>> {
    let folder = match &config.blobs_dir {
        Some(folder) => folder.clone(),
        None => data.private("blobs")?,
    };
    Ok(Arc::new(ObjectBlobs::in_folder(folder).context("MICRO_BLOBS_URL")?))
}

/// The platform's database, migrated, and the server behind it if it is our own.
pub struct Database {
    /// Both roles.
    pub db: Db,
    own: Option<Postgres>,
}

impl Database {
    /// Connects to the database that is given, or starts a private one; migrates it first.
    pub async fn open(config: &Config, data: &DataDir) -> Result<Self> {
        let (urls, own) = match &config.database {
            Some(given) => {
                let urls = Urls {
                    serving: given.serving.clone(),
                    system: given.system.clone(),
                    owner: given.migrate.clone(),
                };
                (urls, None)
            }
            None => {
                let own = Postgres::start(Options::durable(data.path().join("postgres"))).await?;
                tracing::debug!("the database is started");
                (own.urls().clone(), Some(own))
            }
        };
        let (db, applied) = Db::migrated(&urls, micro_storage::db::Options::default())
            .await
            .context("migrating and connecting to the database")?;
        if applied > 0 {
            tracing::info!(migrations = applied, "the database is up to date");
        }
        Ok(Self { db, own })
    }

    /// Stops the server, if it is our own.
    pub async fn stop(self) {
        if let Some(own) = self.own {
            own.stop().await;
        }
    }
}

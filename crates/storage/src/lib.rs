//! Everything that lasts: Records, Log and Blobs for the core services, on memory, one file or SQL; and the
//! control plane's relational tables behind [`Db`].
//!
//! Booting the platform, on a private server:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use micro_clock::{Clock, SystemClock};
//! # use micro_storage::{Db, StoreError, blobs::ObjectBlobs, db, jobs::Worker, migrate, sql::{Hot, SqlLog, SqlRecords}};
//! # async fn boot(authority: micro_tenancy::Authority) -> Result<(), Box<dyn std::error::Error>> {
//! use micro_postgres::{Options, Postgres};
//!
//! let postgres = Postgres::start(Options::durable("/var/lib/micro/postgres")).await?; // or `Urls` from the configuration
//! migrate(postgres.urls()).await?;
//! let db = Db::connect(postgres.urls(), db::Options::default()).await?; // refuses an unsafe database
//! let hot = Hot::connect(&db).await?;
//! let records = SqlRecords::new(hot.clone(), &db);
//! let log = SqlLog::new(hot);
//! let blobs = ObjectBlobs::at("file:///var/lib/micro/blobs")?;
//!
//! let stop = tokio_util::sync::CancellationToken::new();
//! let worker = Worker::new(&db, authority, Arc::new(SystemClock)); // .on(|job: SendLetter, run| async move { … })
//! let working = tokio::spawn(worker.run(stop.clone()));
//! // … serve …
//! stop.cancel();
//! working.await?;
//! db.close().await;
//! postgres.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! A local server: `let (records, log) = micro_storage::file::open("store.redb")?;`

pub mod blobs;
pub mod db;
mod error;
mod failpoint;
pub mod file;
mod holder;
pub mod jobs;
pub mod leases;
pub mod log;
pub mod memory;
pub mod records;
pub mod saga;
pub mod sql;

pub use db::{Db, Scoped, SystemDb, SystemTx, migrate, retrying};
pub use error::StoreError;
pub use failpoint::failpoint;
pub use holder::Holder;
pub use micro_postgres::Urls;

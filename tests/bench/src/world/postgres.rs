//! A private PostgreSQL that flushes, with Micro's tables and plain ones beside them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use micro_postgres::{Options, Postgres, Urls};
use micro_storage::{
    Db, migrate,
    sql::{Hot, SqlLog, SqlRecords},
};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::harness::{Cpu, Whose};

/// The server and our way in.
pub struct Database {
    postgres: Postgres,
    dir: TempDir,
    db: Db,
    hot: Hot,
}

impl Database {
    /// Starts one from nothing in a folder of its own below `dir`, and migrates it.
    pub async fn start(dir: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("micro-bench").tempdir_in(dir)?;
        // The server runs under another uid where we are root.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
        let postgres = Postgres::start(Options::durable(dir.path().join("postgres"))).await?;
        migrate(postgres.urls()).await?;
        let db = Db::connect(postgres.urls(), micro_storage::db::Options::default()).await?;
        let hot = Hot::connect(&db).await?;
        Ok(Self { postgres, dir, db, hot })
    }

    /// How to connect.
    pub fn urls(&self) -> &Urls {
        self.postgres.urls()
    }

    /// Records as the platform has them.
    pub fn records(&self) -> SqlRecords {
        SqlRecords::new(self.hot.clone(), &self.db)
    }

    /// The log as the platform has it.
    pub fn log(&self) -> SqlLog {
        SqlLog::new(self.hot.clone())
    }

    /// A connection as the owner of the tables, which row-level security holds too.
    pub async fn owner(&self) -> Result<Client> {
        connect(self.urls().owner.expose_secret()).await
    }

    /// A connection as the serving role.
    pub async fn serving(&self) -> Result<Client> {
        connect(self.urls().serving.expose_secret()).await
    }

    /// The meter of the server and all its sessions.
    pub fn cpu(&self) -> Result<Cpu> {
        let file = self.dir.path().join("postgres/data/postmaster.pid");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let pid = text.lines().next().context("an empty postmaster.pid")?.trim().parse()?;
        Cpu::of(Whose::Family(pid))
    }

    /// Stops the server and removes everything.
    pub async fn stop(self) {
        self.db.close().await;
        self.postgres.stop().await;
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

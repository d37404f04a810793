//! One fast PostgreSQL per test process. Its directory is kept and used again by the next process, so that only the
//! first start on a machine is a cold one.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use micro_postgres::{Options, Postgres, PostgresError};
use micro_storage::db::migrations_fingerprint;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, NoTls};

/// The server, and the name of its migrated template database.
pub(crate) struct Server {
    postgres: Postgres,
    pub template: String,
}

/// The server of this process; the first caller starts it. It ends with the process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    // Started on a runtime of its own: the caller's may be gone before the next test needs the server.
    SERVER.get_or_init(|| on_own_runtime(start()))
}

impl Server {
    pub fn urls(&self) -> &micro_postgres::Urls {
        self.postgres.urls()
    }

    pub fn socket(&self) -> &Path {
        self.postgres.socket()
    }

    /// Runs one statement as the superuser.
    pub async fn execute(&self, statement: &str) {
        let client = connect(&self.superuser()).await;
        client
            .batch_execute(statement)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    fn superuser(&self) -> SecretString {
        self.postgres.superuser().expect("a test server")
    }
}

/// Runs a future to its end on a thread and runtime of its own.
pub(crate) fn on_own_runtime<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(future)
        });
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn start() -> Server {
    let base = base();
    for slot in 0.. {
        let directory = base.join(slot.to_string());
        let started = match Postgres::start(Options::test(&directory)).await {
            Err(PostgresError::InUse(_)) => continue,
            // Nothing is flushed here, so a machine's crash can leave a ruin; and PostgreSQL may have been upgraded.
            Err(PostgresError::Program { .. } | PostgresError::Version { .. }) => {
                let _ = fs::remove_dir_all(&directory);
                Postgres::start(Options::test(&directory)).await
            }
            started => started,
        };
        let postgres = started.unwrap_or_else(|error| panic!("PostgreSQL for tests: {error}"));
        let template = format!("template_{}", migrations_fingerprint());
        let server = Server { postgres, template };
        server.clear().await;
        return server;
    }
    unreachable!("there is always another slot")
}

impl Server {
    /// Drops what killed test processes left behind, and templates of other migrations.
    async fn clear(&self) {
        let client = connect(&self.superuser()).await;
        let left = client
            .query(
                "select datname from pg_database
                 where datname <> $1 and (datname >= 'template_' and datname < 'template`' or datname >= 'test_' and datname < 'test`')",
                &[&self.template],
            )
            .await
            .expect("a list of databases");
        for database in left {
            let name: String = database.get(0);
            self.execute(&format!("drop database \"{name}\" with (force)")).await;
        }
    }

    /// Whether a database of that name is there.
    pub async fn has(&self, database: &str) -> bool {
        let client = connect(&self.superuser()).await;
        let found = client
            .query_opt("select 1 from pg_database where datname = $1", &[&database])
            .await;
        found.expect("a list of databases").is_some()
    }
}

async fn connect(url: &SecretString) -> Client {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls)
        .await
        .expect("connects");
    tokio::spawn(connection);
    client
}

/// `/tmp/micro-testkit-<uid>`: ours, and passable for the server's user when we are root.
fn base() -> PathBuf {
    // SAFETY: takes no arguments and cannot fail.
    let uid = unsafe { libc::geteuid() };
    let base = std::env::temp_dir().join(format!("micro-testkit-{uid}"));
    let mode = if uid == 0 { 0o711 } else { 0o700 };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(&base)
        .expect("a temporary directory");
    let made = fs::symlink_metadata(&base).expect("just made");
    assert!(
        made.is_dir() && made.uid() == uid,
        "{} belongs to somebody else",
        base.display()
    );
    base
}

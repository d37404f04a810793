//! Starts a private PostgreSQL from the binaries that are installed: on a unix socket in a directory of its own,
//! as an unprivileged user when we are root, gone when we are gone.
//!
//! ```no_run
//! # async fn start() -> Result<(), micro_postgres::PostgresError> {
//! use micro_postgres::{Options, Postgres};
//!
//! let postgres = Postgres::start(Options::durable("/var/lib/micro/postgres")).await?;
//! let urls = postgres.urls().clone();
//! postgres.stop().await;
//! # Ok(())
//! # }
//! ```

mod account;
mod binaries;
mod directory;
mod error;
mod initdb;
mod logins;
mod process;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use error::PostgresError;
pub use logins::Urls;

use account::Account;
use binaries::Binaries;
use directory::Directory;
use process::Server;
use secrecy::SecretString;

/// How much the server does for durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every acknowledged commit survives a crash; logins need their passwords.
    Durable,
    /// For tests: nothing is flushed, and whoever reaches the socket is believed.
    Test,
}

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Holds everything of this server; made if missing. As root, every directory above it must let others through.
    pub directory: PathBuf,
    /// Where the server's binaries are, if not in a usual place.
    pub binaries: Option<PathBuf>,
    /// How much it does for durability.
    pub mode: Mode,
}

impl Options {
    /// A server that keeps what it acknowledged.
    pub fn durable(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            binaries: None,
            mode: Mode::Durable,
        }
    }

    /// A server for tests.
    pub fn test(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            binaries: None,
            mode: Mode::Test,
        }
    }
}

/// A running private PostgreSQL. Dropping it stops the server and waits for its end.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    socket: PathBuf,
    urls: Urls,
    mode: Mode,
    /// Held for its lock: one process per directory.
    _directory: Directory,
}

impl Postgres {
    /// Starts the server of this directory, making it first if there is none, and returns once it answers.
    /// What a killed predecessor left behind is cleared away.
    pub async fn start(options: Options) -> Result<Self, PostgresError> {
        let Options {
            directory,
            binaries,
            mode,
        } = options;
        let account = Account::for_server()?;
        let directory = Directory::open(&directory, &account)?;
        let binaries = Binaries::find(binaries.as_deref(), directory.version()?)?;
        initdb::ensure(&directory, &binaries, &account, mode).await?;
        process::clear_predecessor(&directory).await?;
        let socket = directory.socket(&account)?;
        let mut patience = 250;
        let server = loop {
            match Server::start(&directory, &binaries, &account, &socket, mode).await {
                // Sessions of a killed server see its end within milliseconds; until then PostgreSQL refuses.
                Err(PostgresError::Program { words, .. }) if patience > 0 && words.contains("shared memory") => {
                    patience -= 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                started => break started?,
            }
        };
        let urls = logins::ensure(&directory, &socket, mode).await?;
        Ok(Self {
            server,
            socket,
            urls,
            mode,
            _directory: directory,
        })
    }

    /// How the three logins connect.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// A test server's superuser, for making and dropping databases. A durable server's stays in this crate.
    pub fn superuser(&self) -> Option<SecretString> {
        (self.mode == Mode::Test).then(|| logins::superuser_of_tests(&self.socket))
    }

    /// The directory of its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Stops the server: sessions are ended, everything is flushed.
    pub async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || drop(self)).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "stopping PostgreSQL panicked");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.server.stop();
    }
}

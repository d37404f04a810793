//! Why there is no server.

use std::{io, path::PathBuf};

/// Why the private PostgreSQL did not start.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Not installed.
    #[error("PostgreSQL is not installed{}; install it with: {}", looked_at(.0), install_command())]
    Missing(Option<PathBuf>),
    /// Made by another major version.
    #[error("the data in {directory} was written by PostgreSQL {wanted}, of which no binaries are installed")]
    Version {
        /// The server's directory.
        directory: PathBuf,
        /// The major version that wrote it.
        wanted: u32,
    },
    /// We are root, and neither user exists.
    #[error("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`")]
    NoAccount,
    /// Another process holds the directory.
    #[error("{0} is in use by another running server")]
    InUse(PathBuf),
    /// The server's user cannot get there.
    #[error("{0} must let the user that PostgreSQL runs as pass: chmod o+x it, or choose another data directory")]
    Unreachable(PathBuf),
    /// Somebody else made it, or others may look into it.
    #[error("{0} is not a private directory of the user that PostgreSQL runs as")]
    NotPrivate(PathBuf),
    /// A file could not be read or made.
    #[error("{what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A program failed: its last words.
    #[error("{program} failed: {words}")]
    Program {
        /// `initdb` or `postgres`.
        program: &'static str,
        /// What it said last.
        words: String,
    },
    /// The three logins could not be made.
    #[error("setting up the database's logins")]
    Logins(#[from] tokio_postgres::Error),
}

impl PostgresError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}

fn looked_at(given: &Option<PathBuf>) -> String {
    given
        .as_ref()
        .map(|path| format!(" in {}", path.display()))
        .unwrap_or_default()
}

/// The one command that installs it here.
fn install_command() -> &'static str {
    if cfg!(target_os = "macos") {
        "brew install postgresql@17"
    } else if std::path::Path::new("/etc/fedora-release").exists() {
        "sudo dnf install -y postgresql-server"
    } else if std::path::Path::new("/etc/debian_version").exists() {
        "sudo apt-get install -y postgresql"
    } else {
        "apt-get install postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora), \
         brew install postgresql@17 (macOS)"
    }
}

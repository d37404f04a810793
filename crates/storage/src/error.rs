//! What storage can fail with.

use micro_error::{Error, Kind};
use micro_tenancy::LimitReached;

/// Why storage did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first: run the whole operation again.
    #[error("a concurrent change came first")]
    Contended(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The back end cannot be reached or failed.
    #[error("storage failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read is not what was written.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The namespace may not keep more.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// So much of this namespace waits to be stored, or is held by somebody else, that no more is taken in.
    #[error("{0}")]
    Busy(&'static str),
    /// A key, topic or value is not acceptable: what and why.
    #[error("{0}")]
    Invalid(String),
    /// The database does not keep tenants apart: every reason.
    #[error("the database is not safe to serve from: {}", .0.join("; "))]
    Unsafe(Vec<String>),
}

impl StoreError {
    /// A failure of the back end.
    pub fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(source))
    }
}

/// Serialization failure and deadlock: the transaction did nothing, and may be run again.
fn is_lost_race(sqlstate: &str) -> bool {
    matches!(sqlstate, "40001" | "40P01")
}

/// The statement waited for a lock for as long as it may: the transaction did nothing.
pub(crate) fn is_lock_timeout(sqlstate: &str) -> bool {
    sqlstate == "55P03"
}

const LOCKED: &str = "what is to be changed is being changed by somebody else";

/// A statement that stores something that cannot be stored, such as text with NUL.
fn is_bad_value(sqlstate: &str) -> bool {
    matches!(sqlstate, "22021" | "22P05")
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|e| e.code())
            .unwrap_or_default()
            .into_owned();
        match code {
            code if is_lost_race(&code) => Self::Contended(Some(Box::new(error))),
            code if is_lock_timeout(&code) => Self::Busy(LOCKED),
            code if is_bad_value(&code) => Self::Invalid("text must not contain NUL".into()),
            _ => Self::failed(error),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code().map(|code| code.code().to_owned()) {
            Some(code) if is_lost_race(&code) => Self::Contended(Some(Box::new(error))),
            Some(code) if is_lock_timeout(&code) => Self::Busy(LOCKED),
            Some(code) if is_bad_value(&code) => Self::Invalid("text must not contain NUL".into()),
            _ => Self::failed(error),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(message) => Self::new(Kind::Invalid, "storage.invalid", message),
            StoreError::Contended(_) => Self::new(
                Kind::Unavailable,
                "storage.contended",
                "Too many changes at once. Please try again.",
            )
            .because(error),
            StoreError::LimitReached(reached) => reached.into(),
            StoreError::Busy(why) => Self::new(
                Kind::Unavailable,
                "storage.busy",
                format!("Too much is being stored at once: {why}. Please try again."),
            ),
            _ => Self::internal(error),
        }
    }
}

//! Why an operator's call was refused.

use micro_error::{Error, Kind};
use micro_storage::StoreError;

/// Why an operator's call was refused.
#[derive(Debug, thiserror::Error)]
pub enum OperatorsError {
    /// The secret is nobody's.
    #[error("That operator secret is not known")]
    BadSecret,
    /// An act needs a reason.
    #[error("Say why: a reason is required")]
    NoReason,
    /// A field that cannot be read.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// No such customer, namespace or job.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The job is being worked on.
    #[error("the job is running, or there is none of that id")]
    NotRetried,
    /// A stored role is none.
    #[error("a stored operator role is unknown")]
    UnknownRole,
    /// Storage failed.
    #[error("storing operators")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OperatorsError {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

impl From<OperatorsError> for Error {
    fn from(e: OperatorsError) -> Self {
        let said = e.to_string();
        match e {
            OperatorsError::BadSecret => Self::new(Kind::Unauthenticated, "operators.secret", said),
            OperatorsError::NoReason => Self::new(Kind::Invalid, "operators.reason", said),
            OperatorsError::Malformed(_) => Self::new(Kind::Invalid, "operators.malformed", said),
            OperatorsError::NotFound(_) => Self::new(Kind::NotFound, "operators.not_found", said),
            OperatorsError::NotRetried => Self::new(Kind::Conflict, "operators.not_retried", said),
            OperatorsError::UnknownRole | OperatorsError::Store(_) => Self::internal(e),
        }
    }
}

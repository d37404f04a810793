//! What can go wrong with a namespace.

use micro_error::{Error, Kind};
use micro_storage::StoreError;

use crate::State;

/// Why an operation on a namespace or an identity was refused.
#[derive(Debug, thiserror::Error)]
pub enum NamespacesError {
    /// No such namespace.
    #[error("namespace not found")]
    NotFound,
    /// A field that cannot be read.
    #[error("{0} is missing or malformed")]
    Malformed(&'static str),
    /// The namespace was taken back, or is on its way out.
    #[error("the namespace is {}", .0.as_str())]
    Gone(State),
    /// Another address's, or this address's in another namespace.
    #[error("this address belongs to a namespace already")]
    Taken,
    /// Sixteen throws of three words were all taken: the list is too short for what it serves.
    #[error("no free name was found")]
    NoName,
    /// A wall could not be raised or lowered.
    #[error("wall {0}")]
    Wall(&'static str, #[source] Error),
    /// Storage failed.
    #[error("storing namespaces")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for NamespacesError {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

impl From<NamespacesError> for Error {
    fn from(e: NamespacesError) -> Self {
        let said = e.to_string();
        match e {
            NamespacesError::NotFound => Self::new(Kind::NotFound, "namespaces.not_found", said),
            NamespacesError::Malformed(_) => Self::new(Kind::Invalid, "namespaces.malformed", said),
            NamespacesError::Gone(_) => Self::new(Kind::Conflict, "namespaces.gone", said),
            NamespacesError::Taken => Self::new(Kind::Conflict, "identities.taken", said),
            NamespacesError::Store(StoreError::Contended(_)) => {
                Self::new(Kind::Unavailable, "namespaces.busy", "Please try again.").because(e)
            }
            NamespacesError::NoName | NamespacesError::Wall(..) | NamespacesError::Store(_) => Self::internal(e),
        }
    }
}

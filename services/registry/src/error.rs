//! What the registry refuses, in Micro's words where its wire pins them (reference/micro-wire §2.2).

use micro_domain::{InvalidName, Limit};
use micro_error::{Error, Kind};
use micro_tenancy::LimitReached;

/// Why a registration or a question was refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum RegistryError {
    #[error("service not found")]
    NotFound,
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("{0} is a service of the platform: choose another name")]
    Reserved(String),
    #[error("only a running instance may register a service")]
    NoInstance,
    #[error("a node needs an id, and an address of the form host:port")]
    Address,
    #[error("{0} is too long")]
    TooLong(&'static str),
    #[error("a registration of {given} is larger than the limit {} of {}", .limit.name, .limit.max)]
    TooLarge { given: usize, limit: Limit },
    #[error("one namespace at a time can be watched: name it as the domain")]
    Everywhere,
    #[error("this watch has ended: watch again, from the last revision")]
    Ended,
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl RegistryError {
    /// The error as it leaves the method `id`.
    pub fn at(self, id: &str) -> Error {
        let kind = match self {
            Self::Refused(error) => return error.with_id(id),
            Self::Limit(reached) => return reached.into(),
            Self::TooLarge { limit, .. } => {
                return Error::new(Kind::TooLarge, format!("limits.{}", limit.name), self.to_string());
            }
            Self::Ended => Kind::Unavailable,
            Self::NotFound => Kind::NotFound,
            Self::NoInstance => Kind::Forbidden,
            _ => Kind::Invalid,
        };
        Error::new(kind, id, self.to_string())
    }
}

/// Whether one registration is within a limit.
pub fn at_most(limit: Limit, given: usize) -> Result<(), RegistryError> {
    if given as u64 <= limit.max {
        Ok(())
    } else {
        Err(RegistryError::TooLarge { given, limit })
    }
}

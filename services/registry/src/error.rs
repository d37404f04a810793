//! What the registry refuses, in Micro's words where its wire pins them (reference/micro-wire §2.2).

use micro_domain::{InvalidName, Limit};
use micro_error::{Error, Kind};

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
    #[error("This namespace has reached its limit of {} {}", .0.max, .0.name)]
    Limit(Limit),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl RegistryError {
    /// The error as it leaves the method `id`.
    pub fn at(self, id: &str) -> Error {
        let kind = match self {
            Self::Refused(error) => return error.with_id(id),
            Self::Limit(limit) => {
                return Error::new(Kind::TooMany, format!("limits.{}", limit.name), self.to_string());
            }
            Self::NotFound => Kind::NotFound,
            Self::NoInstance => Kind::Forbidden,
            _ => Kind::Invalid,
        };
        Error::new(kind, id, self.to_string())
    }
}

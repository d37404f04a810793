//! What the broker refuses, in Micro's words where its wire pins them (reference/micro-wire §2.4).

use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_tenancy::LimitReached;

/// Why a message or a subscription was refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum BrokerError {
    #[error("Access denied to namespace")]
    Denied,
    #[error("Missing message")]
    NoMessage,
    #[error("Missing topic")]
    NoTopic,
    #[error("the name of a topic or queue has at most {0} bytes and no control characters")]
    Name(usize),
    #[error("a message of {size} bytes is larger than the limit {} of {}", .limit.name, .limit.max)]
    TooLarge { size: usize, limit: Limit },
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl BrokerError {
    /// The error as it leaves the method `id`.
    pub fn at(self, id: &str) -> Error {
        let kind = match &self {
            Self::Denied => Kind::Unauthenticated,
            Self::NoMessage | Self::NoTopic | Self::Name(_) => Kind::Invalid,
            Self::TooLarge { limit, .. } => {
                return Error::new(Kind::TooLarge, format!("limits.{}", limit.name), self.to_string());
            }
            Self::Limit(reached) => return (*reached).into(),
            Self::Exchange(_) => {
                return Error::new(Kind::Unavailable, id, "The broker cannot be reached. Please try again.")
                    .because(self);
            }
        };
        Error::new(kind, id, self.to_string())
    }
}

/// Why messages cannot be carried.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Redis failed.
    #[error("redis failed")]
    Redis(#[from] redis::RedisError),
    /// Redis did not answer in time.
    #[error("redis did not answer in time")]
    Silent,
}

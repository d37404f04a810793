//! How much of its limits a namespace uses: what each service says of those that it enforces, and what it says when
//! one is reached.

use async_trait::async_trait;
use micro_domain::Limit;
use micro_error::{Error, Kind};

use crate::Tenant;

/// A limit, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The limit.
    pub limit: Limit,
    /// How much is used now, in the limit's unit.
    pub used: u64,
}

/// A service that enforces limits.
#[async_trait]
pub trait Reports: Send + Sync + 'static {
    /// Which service it is: `store`.
    fn service(&self) -> &'static str;

    /// What it has counted for the namespace, of each limit that it keeps a count for.
    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error>;
}

/// There is no room for more. Its text and code are the same whichever service says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This namespace has reached its limit of {} {}: {} in use. `micro account usage` lists all limits", .0.limit.max, .0.limit.name, .0.used)]
pub struct LimitReached(pub Used);

impl LimitReached {
    /// No room beside what is used already.
    pub const fn new(limit: Limit, used: u64) -> Self {
        Self(Used { limit, used })
    }

    /// Whether one more fits beside `used`; if not, why.
    pub const fn check(limit: Limit, used: u64) -> Result<(), Self> {
        if used < limit.max {
            Ok(())
        } else {
            Err(Self::new(limit, used))
        }
    }
}

impl From<LimitReached> for Error {
    fn from(reached: LimitReached) -> Self {
        let limit = reached.0.limit;
        let kind = match limit.unit() {
            "bytes" => Kind::TooLarge,
            _ => Kind::TooMany,
        };
        Self::new(kind, format!("limits.{}", limit.name), reached.to_string())
    }
}

#[cfg(test)]
mod tests {
    use micro_domain::Limits;

    use super::*;

    #[test]
    fn the_edge_is_the_limit_itself() {
        let limit = Limit {
            max: 2,
            ..Limits::DEVELOPER.accounts
        };
        assert_eq!(LimitReached::check(limit, 1), Ok(()));
        assert_eq!(LimitReached::check(limit, 2), Err(LimitReached::new(limit, 2)));
    }

    #[test]
    fn a_refusal_names_the_limit_the_most_and_the_use() {
        let limits = Limits::DEVELOPER;
        let error = Error::from(LimitReached::new(limits.rules, 1_000));
        assert_eq!((error.kind(), error.id()), (Kind::TooMany, "limits.rules"));
        assert_eq!(
            error.message(),
            "This namespace has reached its limit of 1000 rules: 1000 in use. `micro account usage` lists all limits"
        );
        let error = Error::from(LimitReached::new(limits.config_bytes, 262_000));
        assert_eq!((error.kind(), error.id()), (Kind::TooLarge, "limits.config.bytes"));
    }
}

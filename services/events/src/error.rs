//! What events refuse, in Micro's words where its wire pins them (reference/micro-wire §2.5).

use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_storage::StoreError;
use micro_tenancy::LimitReached;

/// Why a call was refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum EventsError {
    #[error("Missing topic")]
    NoTopic,
    #[error("a topic's, group's or producer's name has at most {0} bytes and no control characters")]
    Name(usize),
    #[error("invalid AckWait passed, should be positive integer")]
    AckWait,
    #[error("acknowledgements travel on the stream of Consume: set auto_ack where there is none")]
    NoAcks,
    #[error("{0} is no time")]
    Time(i64),
    #[error("a producer's sequence counts from 1")]
    NoSequence,
    #[error("event {0} of this producer was not published: publish it first")]
    Unfinished(u64),
    #[error("this event is being published already: try again")]
    Busy,
    #[error("group not found")]
    NoGroup,
    #[error("the group has members: stop them first")]
    HasMembers,
    #[error("an event of {size} bytes is larger than the limit {} of {}", .limit.name, .limit.max)]
    TooLarge { size: usize, limit: Limit },
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error("This namespace publishes more than {} events a second ({}): try again in {wait} s", .limit.max, .limit.name)]
    Rate { limit: Limit, wait: i64 },
    #[error("an event is kept as long as all are: a ttl of its own is not supported")]
    Ttl,
    #[error("topic not found")]
    NoSuchTopic,
    #[error("somebody consumes this topic: stop them first")]
    Consumed,
    #[error(transparent)]
    Refused(#[from] Error),
    #[error(transparent)]
    Storage(#[from] StoreError),
}

impl EventsError {
    /// The error as it leaves the method `id`.
    pub fn at(self, id: &str) -> Error {
        let text = self.to_string();
        let kind = match self {
            Self::Refused(error) => return error.with_id(id),
            Self::Storage(error) => return Error::from(error).with_id(id),
            Self::TooLarge { limit, .. } => return Error::new(Kind::TooLarge, format!("limits.{}", limit.name), text),
            Self::Limit(reached) => return reached.into(),
            Self::Rate { limit, .. } => return Error::new(Kind::TooMany, format!("limits.{}", limit.name), text),
            // Upstream's code, though it is the caller's mistake.
            Self::AckWait => Kind::Internal,
            Self::Unfinished(_) | Self::HasMembers | Self::Consumed => Kind::Conflict,
            Self::Busy => Kind::Unavailable,
            Self::NoGroup | Self::NoSuchTopic => Kind::NotFound,
            _ => Kind::Invalid,
        };
        Error::new(kind, id, text)
    }
}

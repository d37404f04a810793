//! What events refuse, in Micro's words where its wire pins them (reference/micro-wire §2.5).

use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_storage::StoreError;

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
    #[error("Writing to the store directly is not supported")]
    NoWrite,
    #[error("an event of {size} bytes is larger than the limit {} of {}", .limit.name, .limit.max)]
    TooLarge { size: usize, limit: Limit },
    #[error("This namespace has reached its limit of {} {}", .0.max, .0.name)]
    Limit(Limit),
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
            Self::Limit(limit) => return Error::new(Kind::TooMany, format!("limits.{}", limit.name), text),
            // Upstream's code, though it is the caller's mistake.
            Self::AckWait => Kind::Internal,
            Self::Unfinished(_) | Self::HasMembers => Kind::Conflict,
            Self::Busy => Kind::Unavailable,
            Self::NoGroup => Kind::NotFound,
            Self::NoWrite => Kind::Unimplemented,
            _ => Kind::Invalid,
        };
        Error::new(kind, id, text)
    }
}

//! What the store refuses, in Micro's words where its wire pins them (reference/micro-wire §2.3).

use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_limits::Exceeded;
use micro_storage::StoreError;

/// Why an operation was refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Refusal {
    #[error("not found")]
    NotFound,
    #[error("no record specified")]
    NoRecord,
    #[error("a record needs a key")]
    NoKey,
    #[error("a record's expiry is a number of seconds, or 0 for none")]
    Expiry,
    #[error("an order is asc or desc")]
    Order,
    /// Another writer was first.
    #[error("the record is not of version {0} any more: read it again")]
    Changed(u64),
    /// There is one already.
    #[error("there is such a record already: read it first")]
    Exists,
    #[error("this record has {used} bytes, with its metadata; a value has at most {} ({})", .limit.max, .limit.name)]
    Value { used: usize, limit: Limit },
    #[error("what was found has more than {0} bytes: ask for less at once, with limit and offset")]
    Found(usize),
    #[error("Missing key")]
    BlobKey,
    #[error("No blob was sent")]
    NoBlob,
    #[error("Blob not found")]
    NoSuchBlob,
    #[error("this blob would exceed the {} bytes that all blobs may have ({}): {used} are in use", .limit.max, .limit.name)]
    Blobs { used: u64, limit: Limit },
    #[error("there is no such upload: it has ended, or nobody sent anything for a day. Begin again")]
    NoSuchUpload,
    #[error("this upload has {0} bytes: go on there")]
    Offset(u64),
    #[error("another sender has taken this upload up, or it was given up")]
    TakenUp,
    #[error("{bytes} bytes were announced, and {received} have arrived: send the rest first")]
    Incomplete { received: u64, bytes: u64 },
    #[error("more arrives than the {0} bytes that were announced")]
    Longer(u64),
    #[error("what arrived is not what was sent: its SHA-256 is {0}. Send it again")]
    Digest(String),
    #[error("a SHA-256 is 64 hexadecimal digits")]
    NoDigest,
    #[error("the blob was replaced meanwhile: read it from its beginning")]
    Replaced,
    #[error("the blob has {0} bytes: there is none behind")]
    Behind(u64),
    #[error("{} uploads are under way already ({}): finish or abandon one first", .0.max, .0.name)]
    Uploads(Limit),
    #[error("this part of a snapshot holds a record whose table has no name")]
    NoTable,
    #[error("{0} is no time")]
    Time(i64),
    #[error(transparent)]
    Busy(#[from] Exceeded),
    /// The sender of a blob failed.
    #[error(transparent)]
    Sender(#[from] Error),
    #[error("storing")]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The error as it leaves the method `id`.
    pub fn at(self, id: &str) -> Error {
        let kind = match self {
            Self::Sender(error) => return error,
            Self::Busy(exceeded) => return exceeded.into(),
            Self::Store(StoreError::Invalid(words)) => return Error::new(Kind::Invalid, id, words),
            Self::Store(error) => return error.into(),
            Self::Value { limit, .. } | Self::Blobs { limit, .. } => {
                return Error::new(Kind::TooLarge, format!("limits.{}", limit.name), self.to_string());
            }
            Self::Uploads(limit) => {
                return Error::new(Kind::TooMany, format!("limits.{}", limit.name), self.to_string());
            }
            Self::NotFound | Self::NoSuchBlob | Self::NoSuchUpload => Kind::NotFound,
            Self::Changed(_)
            | Self::Exists
            | Self::Offset(_)
            | Self::TakenUp
            | Self::Incomplete { .. }
            | Self::Replaced => Kind::Conflict,
            Self::Found(_) => Kind::TooLarge,
            _ => Kind::Invalid,
        };
        Error::new(kind, id, self.to_string())
    }
}

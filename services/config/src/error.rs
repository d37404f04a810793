//! What config refuses, in Micro's words where its wire pins them (reference/micro-wire §2.6).

use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_storage::StoreError;
use micro_tenancy::LimitReached;

/// Why an operation was refused. No text holds a value or a secret.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Refusal {
    #[error("Not found")]
    NotFound,
    #[error("invalid change")]
    NoValue,
    #[error("Request is invalid JSON: {0}")]
    Json(String),
    #[error("a path is made of names with single dots between them: {0:?}")]
    Path(String),
    #[error("a value without a path must be a JSON object")]
    Whole,
    #[error("{0} is an array: set or delete it whole")]
    Array(String),
    #[error("a value lies at most {0} names deep")]
    Depth(usize),
    #[error(
        "this would make {would} bytes of configuration; a namespace may have {} ({}), and {used} are in use", .limit.max, .limit.name
    )]
    Size { would: usize, used: usize, limit: Limit },
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// Sealed with a key that this server was not given.
    #[error(
        "Can't decode secret: this server has no key {0}. Add it to MICRO_CONFIG_SECRET_KEY, or set the secret again"
    )]
    KeyGone(String),
    /// It does not open: somebody changed or moved it.
    #[error("Can't decode secret: it was changed where it is stored. Set it again")]
    Damaged,
    #[error("Can't encode secret")]
    Sealing,
    #[error("storing the configuration")]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The error as it leaves the method `id`.
    pub fn at(self, id: &str) -> Error {
        let kind = match self {
            Self::NoValue => return Error::new(Kind::Invalid, "config.Config.Update", self.to_string()),
            Self::Store(error) => return error.into(),
            Self::Limit(reached) => return reached.into(),
            Self::Size { limit, .. } => {
                return Error::new(Kind::TooLarge, format!("limits.{}", limit.name), self.to_string());
            }
            Self::NotFound => Kind::NotFound,
            Self::KeyGone(_) | Self::Damaged | Self::Sealing => Kind::Internal,
            _ => Kind::Invalid,
        };
        Error::new(kind, id, self.to_string())
    }
}

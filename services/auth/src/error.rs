//! What auth's operations fail with, in Micro's words where its wire pins them (reference/micro-wire §3).

use micro_domain::NamespaceName;
use micro_error::{Error, Kind};
use micro_limits::Exceeded;
use micro_storage::StoreError;
use micro_tenancy::LimitReached;

/// Why an operation was refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum AuthError {
    #[error("Credentials or a refresh token required")]
    CredentialsRequired,
    #[error("invalid token provided")]
    InvalidToken,
    #[error("Account not found with this ID")]
    AccountNotFound,
    #[error("Secret not correct")]
    SecretNotCorrect,
    /// The platform's one answer to an unknown account and to a wrong secret.
    #[error("Account or secret not correct")]
    NotCorrect,
    #[error("This address belongs to several namespaces: {}. Name the one you mean", list(.0))]
    SeveralNamespaces(Vec<NamespaceName>),
    #[error("ID required")]
    IdRequired,
    #[error("Account with this ID already exists")]
    IdTaken,
    #[error("Account with this Name already exists")]
    NameTaken,
    #[error("Missing ID")]
    MissingId,
    #[error("Can't delete your own account")]
    OwnAccount,
    #[error("New secret should not be blank")]
    NewSecretBlank,
    #[error("An account's type is user or service")]
    UnknownType,
    #[error("{0} must be at most {1} bytes and hold no control characters")]
    Malformed(&'static str, usize),
    #[error("This is the last account that may manage the namespace: make another one with scope admin first")]
    LastAdmin,
    #[error(transparent)]
    PlanLimit(#[from] LimitReached),
    #[error("That is not a sealed secret")]
    NotSealed,
    #[error("Rule missing")]
    RuleMissing,
    #[error("ID missing")]
    RuleIdMissing,
    #[error("Resource missing")]
    ResourceMissing,
    #[error("Access missing")]
    AccessMissing,
    #[error("A rule with this ID already exists")]
    RuleTaken,
    #[error("Rule not found")]
    RuleNotFound,
    #[error("The default rule stands while there is no other: create one, then delete it")]
    DefaultAlone,
    #[error("Too many logins at once: please try again")]
    Busy,
    #[error("somebody else changed this account: please try again")]
    Changed,
    #[error(transparent)]
    TooOften(#[from] Exceeded),
    #[error(transparent)]
    Refused(#[from] Error),
    #[error("storing accounts")]
    Store(#[from] StoreError),
}

impl AuthError {
    /// The error as it leaves the method `id`.
    pub fn at(self, id: &str) -> Error {
        let kind = match self {
            Self::TooOften(exceeded) => return exceeded.into(),
            Self::Refused(error) if error.kind() == Kind::Internal => return error,
            Self::Refused(error) => return error.with_id(id),
            // An id that nothing can be kept under.
            Self::Store(StoreError::Invalid(words)) => return Error::new(Kind::Invalid, id, words),
            Self::Store(error) => return error.into(),
            Self::IdTaken | Self::NameTaken => return Error::new(Kind::Invalid, "auth", self.to_string()),
            Self::PlanLimit(reached) => return reached.into(),
            Self::SeveralNamespaces(_) | Self::Changed | Self::LastAdmin => Kind::Conflict,
            Self::Busy => Kind::Unavailable,
            _ => Kind::Invalid,
        };
        Error::new(kind, id, self.to_string())
    }
}

fn list(names: &[NamespaceName]) -> String {
    names.iter().map(NamespaceName::as_str).collect::<Vec<_>>().join(", ")
}

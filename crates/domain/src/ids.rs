//! Identifiers. Each kind is a type of its own, so that one cannot be handed over for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that was read back or just made.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID, as the database stores it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}
pub(crate) use uuid_id;

uuid_id!(
    /// One person's try at signing up, from the first code to a ready namespace.
    AttemptId
);
uuid_id!(
    /// A unit of work that follows a commit.
    JobId
);
uuid_id!(
    /// A person who runs the platform, never a tenant.
    OperatorId
);
uuid_id!(
    /// One terminal's or browser's login: what a refresh-token family belongs to.
    SessionId
);
uuid_id!(
    /// A running copy of a release.
    InstanceId
);
uuid_id!(
    /// An artifact with its configuration, numbered within its service.
    ReleaseId
);

/// An account's id within its namespace: free text on Micro's wire (`admin`, a UUID, `greeter-latest`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Wraps an id that was read back or just chosen.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! A namespace: the walls of one tenant. Its id scopes storage; its name is what people and Micro's wire say.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::uuid_id;

uuid_id!(
    /// A namespace's id: leads every key in storage and never changes.
    NamespaceId
);

impl NamespaceId {
    /// The id of a namespace that exists by configuration only (the local server's): the same at each start.
    pub fn of_local(name: &NamespaceName) -> Self {
        const LOCAL: Uuid = Uuid::from_u128(0x6d69_6372_6f00_5000_8000_6c6f_6361_6c21);
        Self::new(Uuid::new_v5(&LOCAL, name.as_str().as_bytes()))
    }
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid name: use 1 to 63 lower-case letters, digits and dashes, starting with a letter")]
pub struct InvalidName(pub String);

/// A namespace's name: a DNS label, such as `micro` or `amber-otter-drift`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The namespace of the platform itself and of a local server: `micro`.
    pub fn micro() -> Self {
        Self("micro".into())
    }

    /// Reads a name, refusing anything that is not a DNS label.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidName> {
        let text = text.into();
        let dns_label = (1..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if dns_label {
            Ok(Self(text))
        } else {
            Err(InvalidName(text))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NamespaceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl From<NamespaceName> for String {
    fn from(name: NamespaceName) -> Self {
        name.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A namespace by both its handles. Holding one grants nothing: that takes a `Tenant`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Namespace {
    /// Scopes storage.
    pub id: NamespaceId,
    /// Said on the wire.
    pub name: NamespaceName,
}

impl Namespace {
    /// The namespace of that name on a server that keeps no list of them.
    pub fn of_local(name: NamespaceName) -> Self {
        Self {
            id: NamespaceId::of_local(&name),
            name,
        }
    }
}

/// A service's registered name: letters, digits, `-`, `_` and `.`, at most 128 of them (`greeter`, `v1.users`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

impl ServiceName {
    /// Reads a name. A colon, a slash, a space or a leading dot are refused: keys and paths are made of names.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidName> {
        let text = text.into();
        let valid = (1..=128).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && !text.contains("..");
        if valid { Ok(Self(text)) } else { Err(InvalidName(text)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_name_is_a_dns_label() {
        for good in ["micro", "amber-otter-drift", "a", "a1"] {
            assert_eq!(NamespaceName::parse(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "1a", "a_b", "é", &"a".repeat(64)] {
            assert_eq!(NamespaceName::parse(bad), Err(InvalidName(bad.to_owned())));
        }
    }

    #[test]
    fn a_service_name_cannot_climb_or_split_a_key() {
        for good in ["greeter", "v1.users", "my-svc", "A_1"] {
            assert!(ServiceName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a:b",
            "a/b",
            "a b",
            "a\0b",
            &"a".repeat(129),
        ] {
            assert!(ServiceName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_local_namespace_keeps_its_id() {
        let id = || NamespaceId::of_local(&NamespaceName::micro());
        assert_eq!(id(), id());
        assert_ne!(id(), NamespaceId::of_local(&NamespaceName("other".into())));
    }
}

//! Where a namespace is in its life.

use crate::NamespacesError;

/// `reserved → active → past_due → read_only → suspended → closing → erased`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Named, without walls, not visible.
    Reserved,
    /// In use.
    Active,
    /// A payment is late.
    PastDue,
    /// Only reads and exports are answered.
    ReadOnly,
    /// Nothing runs, nothing is lost.
    Suspended,
    /// Being exported and taken down.
    Closing,
    /// Gone; the name stays taken.
    Erased,
}

impl State {
    /// The word in the table and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::ReadOnly => "read_only",
            Self::Suspended => "suspended",
            Self::Closing => "closing",
            Self::Erased => "erased",
        }
    }

    /// Whether people and services find it under its name.
    pub const fn is_visible(self) -> bool {
        matches!(self, Self::Active | Self::PastDue | Self::ReadOnly | Self::Suspended)
    }
}

impl TryFrom<&str> for State {
    type Error = NamespacesError;

    fn try_from(word: &str) -> Result<Self, NamespacesError> {
        [
            Self::Reserved,
            Self::Active,
            Self::PastDue,
            Self::ReadOnly,
            Self::Suspended,
            Self::Closing,
            Self::Erased,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or(NamespacesError::Malformed("state"))
    }
}

//! What each caller must hear, by the row of what is called.

use crate::{
    callers::Who,
    doors::Answer,
    rows::{For, Missing},
};

/// What an answer must be. Canaries are looked for in all of them but [`Expectation::AsMember`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// 401.
    Unauthenticated,
    /// 403, in the words of a namespace that does not exist.
    Forbidden,
    /// Anything that is the caller's own, or a refusal; never a failure of ours.
    OwnOnly,
    /// The same, for an account of the victim's namespace, which may see what is there.
    AsMember,
    /// Word for word what a name that does not exist is answered.
    LikeUnknown(Missing),
    /// No service of that name is served by this platform, and it says so.
    NoRoute,
}

/// What `who` must hear from an rpc that is `whose`. `names` says whether its request has a field that names a
/// namespace.
pub fn of(whose: For, who: Who, names: bool) -> Expectation {
    match (whose, who) {
        (For::Nobody(missing), _) => Expectation::LikeUnknown(missing),
        (_, Who::SwappedHeader) => Expectation::Forbidden,
        (For::Everybody, _) => Expectation::OwnOnly,
        (_, Who::OtherTenant) if names => Expectation::Forbidden,
        (_, Who::OtherTenant | Who::OtherTenantById) => Expectation::OwnOnly,
        (For::Members, Who::FewerScopes) => Expectation::AsMember,
        _ => Expectation::Unauthenticated,
    }
}

impl Expectation {
    /// Whether an answer that opens and stays open could be right: then nobody waits for its end.
    pub fn may_stream(self) -> bool {
        matches!(self, Self::OwnOnly | Self::AsMember)
    }

    /// What is wrong with the answer, if anything is.
    pub fn fault(self, answer: &Answer, unknown: Option<&Answer>) -> Option<String> {
        let right = match self {
            Self::Unauthenticated => answer.code == 401,
            Self::Forbidden if answer.code == 403 => return differs(answer, unknown),
            Self::Forbidden => false,
            Self::OwnOnly | Self::AsMember => answer.code < 500 || answer.code == 501,
            Self::LikeUnknown(_) => return differs(answer, unknown),
            Self::NoRoute => matches!(answer.code, 401 | 403) || answer.text.contains("route not found"),
        };
        (!right).then(|| format!("expected {self:?}, got {} {}", answer.code, answer.text))
    }
}

fn differs(answer: &Answer, unknown: Option<&Answer>) -> Option<String> {
    match unknown {
        None => Some("nothing to compare with".into()),
        Some(unknown) if unknown == answer => None,
        Some(unknown) => Some(format!(
            "got {} {}, but of what does not exist {} {}",
            answer.code, answer.text, unknown.code, unknown.text
        )),
    }
}

//! Logins and accounts that ended while tokens of theirs are still about.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use micro_domain::{AccountId, InstanceId, NamespaceId, SessionId};
use time::{Duration, OffsetDateTime};

use crate::{Principal, tokens::Claims};

/// Something whose tokens are void.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Revocation {
    /// One login.
    Session(SessionId),
    /// One running copy of a service, which has ended.
    Instance(InstanceId),
    /// Every token that an account got up to the moment of the revocation.
    Account(NamespaceId, AccountId),
}

/// What has been revoked, as far as tokens of it may still be valid. Read on every request, fed by the auth
/// service: at once by its own acts, and within 5 seconds by those of other replicas.
#[derive(Debug, Default)]
pub struct Revocations {
    revoked: ArcSwap<HashMap<Revocation, OffsetDateTime>>,
    epoch: AtomicU64,
}

impl Revocations {
    /// How long a revocation is kept: longer than any token lives.
    pub const KEEP: Duration = Duration::minutes(70);

    /// Adds revocations with their times; forgets those that no token can outlive.
    pub fn add(&self, more: impl IntoIterator<Item = (Revocation, OffsetDateTime)>, now: OffsetDateTime) {
        let known = self.revoked.load();
        let news: Vec<_> = more
            .into_iter()
            .filter(|(what, at)| known.get(what).is_none_or(|k| k < at))
            .collect();
        if news.is_empty() {
            return;
        }
        self.revoked.rcu(|revoked| {
            let mut revoked = HashMap::clone(revoked);
            revoked.retain(|_, at| now - *at < Self::KEEP);
            for (what, at) in &news {
                let latest = revoked.entry(what.clone()).or_insert(*at);
                *latest = (*latest).max(*at);
            }
            Arc::new(revoked)
        });
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Grows whenever something is revoked: an answer of the same epoch still holds.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether a token is void.
    pub fn covers(&self, claims: &Claims) -> bool {
        self.covers_issued(&claims.principal(false), claims.iat)
    }

    /// Whether a token of that principal's, issued then (Unix seconds), is void.
    pub fn covers_issued(&self, principal: &Principal, issued_at: i64) -> bool {
        let revoked = self.revoked.load();
        if revoked.is_empty() {
            return false;
        }
        let session = principal
            .session
            .is_some_and(|session| revoked.contains_key(&Revocation::Session(session)));
        let instance = principal
            .instance
            .is_some_and(|instance| revoked.contains_key(&Revocation::Instance(instance)));
        let account = Revocation::Account(principal.namespace.id, principal.account.clone());
        session || instance || revoked.get(&account).is_some_and(|at| issued_at <= at.unix_timestamp())
    }
}

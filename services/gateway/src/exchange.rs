//! The tokens that tenants' services see: one per caller's token and service, remembered for half its life.

use std::sync::Arc;

use http::HeaderValue;
use micro_domain::Namespace;
use micro_tenancy::{
    Principal,
    bounded::Bounded,
    tokens::{EXCHANGED_TTL, Exchange},
};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{bounds, identity::Asker};

/// Exchanged tokens as header values.
pub struct Exchanged {
    exchange: Arc<dyn Exchange>,
    made: Bounded<[u8; 32], (HeaderValue, OffsetDateTime)>,
}

impl Exchanged {
    pub fn new(exchange: Arc<dyn Exchange>) -> Self {
        Self {
            exchange,
            made: Bounded::new(bounds::EXCHANGED_TOKENS),
        }
    }

    /// The `authorization` that a service of a namespace sees in place of the caller's own; none where nobody
    /// in particular asks.
    pub fn header(
        &self,
        asker: &Asker,
        namespace: &Namespace,
        service: &str,
        now: OffsetDateTime,
    ) -> Option<HeaderValue> {
        // Whom an instance speaks for is its own namespace's affair: elsewhere it speaks for itself.
        let home = asker.principal.as_ref().map(|p| p.namespace.id);
        let behalf = asker.behalf.as_ref().filter(|_| home == Some(namespace.id));
        let principal = behalf.or(asker.principal.as_ref())?;
        let key = key(asker, principal, namespace, service);
        if let Some((header, until)) = self.made.get(&key)
            && now < until
        {
            return Some(header);
        }
        let token = self
            .exchange
            .exchange(principal, &format!("{}/{service}", namespace.name), now);
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).ok()?;
        header.set_sensitive(true);
        self.made.insert(key, (header.clone(), now + EXCHANGED_TTL / 2));
        Some(header)
    }
}

/// What the answer depends on. The lengths stand before the texts, so that no two sets of them read the same.
fn key(asker: &Asker, principal: &Principal, namespace: &Namespace, service: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    let bearer = asker.bearer.as_ref().map_or("", |b| b.expose_secret());
    for text in [bearer, principal.account.as_str(), service] {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.update(principal.namespace.id.uuid());
    hash.update(namespace.id.uuid());
    if let Some(instance) = principal.instance {
        hash.update(instance.uuid());
    }
    hash.finalize().into()
}

//! The tokens that tenants' services see: one per caller's token and service, remembered for half its life.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::HeaderValue;
use micro_domain::{Namespace, NamespaceId};
use micro_tenancy::{
    Principal,
    bounded::Bounded,
    tokens::{EXCHANGED_TTL, Exchange},
};
use secrecy::ExposeSecret;
use time::OffsetDateTime;

use crate::{bounds, identity::Asker};

/// Exchanged tokens as header values.
pub struct Exchanged {
    exchange: Arc<dyn Exchange>,
    made: Bounded<Key, (HeaderValue, OffsetDateTime)>,
}

/// What the answer depends on: one verified token, and who gets to see it. A token's principal is known by its place,
/// which no other takes while it stands here; verified anew, it is another one.
#[derive(Clone)]
struct Key {
    principal: Arc<Principal>,
    namespace: NamespaceId,
    service: String,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.principal, &other.principal)
            && self.namespace == other.namespace
            && self.service == other.service
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.principal).hash(state);
        self.namespace.hash(state);
        self.service.hash(state);
    }
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
        let key = Key {
            principal: principal.clone(),
            namespace: namespace.id,
            service: service.to_owned(),
        };
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

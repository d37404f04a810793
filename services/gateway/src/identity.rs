//! Who asks: by the token that was presented, or by the door.

use std::sync::Arc;

use http::{HeaderMap, header::AUTHORIZATION};
use micro_error::{Error, Kind};
use micro_tenancy::{Caller, Metadata, Principal};
use secrecy::{ExposeSecret, SecretString};

use crate::{Ports, door::Door};

/// Who asks.
pub struct Asker {
    /// The verified account, if there is one.
    pub principal: Option<Arc<Principal>>,
    /// For whom an instance asks, if it shows a token that was exchanged for a service of its namespace. Lends
    /// the instance nothing; the next service learns it.
    pub behalf: Option<Arc<Principal>>,
    /// The token as it was presented.
    pub bearer: Option<Arc<SecretString>>,
}

impl Asker {
    /// The caller that a core handler sees.
    pub fn caller(&self, ports: &Ports, metadata: Metadata) -> Caller {
        let caller = match &self.principal {
            Some(principal) => ports.authority.verified(principal.clone()),
            None => Caller::anonymous(),
        };
        let caller = caller.with_metadata(metadata);
        match &self.bearer {
            Some(bearer) => caller.with_shared_bearer(bearer.clone()),
            None => caller,
        }
    }
}

/// Authenticates. A token that is no good makes the caller anonymous, as upstream does: it may be on its way to
/// get a better one.
/// An instance's token opens nothing but the instance's own door, except on a local server, which has no such doors.
pub async fn identify(
    ports: &Ports,
    local: bool,
    door: &Door,
    headers: &HeaderMap,
    service: &str,
) -> Result<Asker, Error> {
    let bearer = bearer(headers, service)?;
    let now = ports.clock.now();
    if let Door::Instance(principal) = door {
        let behalf = bearer
            .as_ref()
            .and_then(|token| ports.inspector.inspect(token.expose_secret(), now));
        let within = |service: &str| {
            service
                .strip_prefix(principal.namespace.name.as_str())
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let behalf = behalf
            .filter(|b| b.service.as_deref().is_some_and(within))
            .map(|b| b.principal);
        return Ok(Asker {
            principal: Some(principal.clone()),
            behalf,
            bearer,
        });
    }
    let principal = match &bearer {
        Some(token) => ports.verifier.verify(token.expose_secret(), now).await,
        None => None,
    };
    let principal = principal.filter(|p| local || p.instance.is_none());
    Ok(Asker {
        principal,
        behalf: None,
        bearer,
    })
}

fn bearer(headers: &HeaderMap, service: &str) -> Result<Option<Arc<SecretString>>, Error> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    let wrong = || {
        Error::new(
            Kind::Unauthenticated,
            service,
            "invalid authorization header. expected Bearer schema",
        )
    };
    let shared = |token: &str| Arc::new(SecretString::from(token.trim()));
    token.map(|token| Some(shared(token))).ok_or_else(wrong)
}

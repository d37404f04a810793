//! The accounts of running instances: made by the runtime, never stored with a password, ended with the instance.

use async_trait::async_trait;
use micro_domain::{InstanceId, NamespaceId};
use micro_error::Error;
use micro_rpc::mesh::{Credential, Credentials};
use micro_tenancy::{Caller, Principal, Revocation, tokens::Purpose};
use time::{Duration, OffsetDateTime};

use super::Granted;
use crate::{App, AuthError};

/// How long a credential lasts unless it is renewed, which SDKs do every few minutes.
const CREDENTIAL_TTL: Duration = Duration::HOUR;

impl App {
    /// Trades an instance's credential for access and a fresh credential, while the instance runs. Through the
    /// instance's own door the door vouches for it, so that one that slept past its credential's end comes back.
    pub(crate) async fn renew_instance(
        &self,
        caller: &Caller,
        credential: &str,
        ttl: Duration,
        now: OffsetDateTime,
    ) -> Result<Granted, AuthError> {
        let at_the_door = caller.principal().filter(|p| p.instance.is_some());
        let read = self.parts.tokens.verify(credential, Purpose::Instance, now).ok();
        let presented = read.filter(|claims| !self.parts.revocations.covers(claims));
        let presented = presented.map(|claims| self.parts.tokens.principal(&claims));
        let principal = match (presented, at_the_door) {
            (Some(presented), Some(door)) if presented.instance == door.instance => presented,
            // A local server's services come through the one door there is.
            (Some(presented), None) if self.config.local => presented,
            (None, Some(door)) => door.clone(),
            _ => return Err(AuthError::InvalidToken),
        };
        let instance = principal.instance.ok_or(AuthError::InvalidToken)?;
        let platform = self.platform();
        if !self
            .store(&platform, now)
            .instance_runs(principal.namespace.id, instance)
            .await?
        {
            return Err(AuthError::InvalidToken);
        }
        let access = self.parts.tokens.issue(Purpose::Access, &principal, ttl, now);
        let credential = self
            .parts
            .tokens
            .issue(Purpose::Instance, &principal, CREDENTIAL_TTL, now);
        Ok(Granted {
            access,
            refresh: credential.token,
        })
    }
}

#[async_trait]
impl Credentials for App {
    async fn issue(&self, principal: &Principal) -> Result<Credential, Error> {
        let now = self.parts.clock.now();
        let instance = principal
            .instance
            .expect("the port's promise: the principal is an instance");
        let platform = self.platform();
        let store = self.store(&platform, now);
        store
            .put_instance(principal.namespace.id, instance)
            .await
            .map_err(Error::internal)?;
        let credential = self
            .parts
            .tokens
            .issue(Purpose::Instance, principal, CREDENTIAL_TTL, now);
        Ok(Credential {
            id: principal.account.to_string(),
            secret: credential.token,
        })
    }

    async fn revoke(&self, namespace: NamespaceId, instance: InstanceId) -> Result<(), Error> {
        let now = self.parts.clock.now();
        let platform = self.platform();
        self.store(&platform, now)
            .remove_instance(namespace, instance)
            .await
            .map_err(Error::internal)?;
        App::revoke(self, vec![Revocation::Instance(instance)], now)
            .await
            .map_err(|e| e.at("auth.credentials"))
    }
}

//! The operations of a sign-up, one a file.

mod complete_signup;
mod confirm_code;
mod issue_token;
mod mail_link;
mod make_namespace;
mod recover_names;
mod send_letters;
mod serve_pages;
mod start_attempt;
mod sweep_attempts;
mod take_back;
mod watch_attempt;

use std::{net::IpAddr, sync::Arc};

use micro_clock::Clock;
use micro_domain::{AttemptId, Email, Namespace};
use micro_error::Error;
use micro_limits::{LimitKey, Rate};
use micro_proto::namespaces::{self as wire, FindIdentityRequest};
use micro_storage::{SystemDb, retrying};
use micro_tenancy::{Caller, SystemTask};
use time::OffsetDateTime;
use tokio::sync::broadcast;

use crate::{
    Ports, SignupConfig, SignupError, State,
    attempt::Attempt,
    secrets::{TypedCode, session_hash},
    store::Attempts,
};

pub(crate) use confirm_code::Confirmed;
pub use make_namespace::SignupSaga;

type Result<T> = std::result::Result<T, SignupError>;

/// Sign-up. Clones share everything.
#[derive(Clone)]
pub struct Signup(Arc<Inner>);

struct Inner {
    config: SignupConfig,
    ports: Ports,
    /// Rung with each change of an attempt in this process.
    changed: broadcast::Sender<AttemptId>,
}

/// Where an address belongs.
pub(crate) struct Belongs {
    pub(crate) namespace: Namespace,
    pub(crate) account: String,
}

impl Signup {
    /// Puts sign-up together. Its jobs must be given to a worker: see [`Self::on_jobs`].
    pub fn new(config: SignupConfig, ports: Ports) -> Self {
        let (changed, _) = broadcast::channel(1_024);
        Self(Arc::new(Inner { config, ports, changed }))
    }

    pub(crate) fn config(&self) -> &SignupConfig {
        &self.0.config
    }

    fn ports(&self) -> &Ports {
        &self.0.ports
    }

    fn now(&self) -> OffsetDateTime {
        self.ports().clock.now()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.ports().clock.clone()
    }

    fn db(&self) -> SystemDb {
        self.ports().db.system(SystemTask::Signup)
    }

    /// The platform, asking for sign-up.
    fn caller(&self) -> Caller {
        self.ports().authority.system(SystemTask::Signup)
    }

    /// The platform, acting in the namespace that is being made.
    fn caller_in(&self, namespace: &Namespace) -> Caller {
        self.ports().authority.system_in(SystemTask::Signup, namespace.clone())
    }

    /// Tells who waits for this attempt.
    fn announce(&self, id: AttemptId) {
        // Nobody may be waiting.
        let _ = self.0.changed.send(id);
    }

    pub(crate) async fn find_attempt(&self, id: AttemptId) -> Result<Option<Attempt>> {
        let db = self.db();
        retrying(async || Attempts(&mut db.begin().await?).find(id).await).await
    }

    pub(crate) async fn get_by_session(&self, secret: &str, caller: &Caller) -> Result<Attempt> {
        let (db, hash) = (self.db(), session_hash(secret));
        let found = retrying(async || Attempts(&mut db.begin().await?).find_by_session(&hash).await).await?;
        self.or_miss(found, caller).await
    }

    /// The attempt that an accepted code names, for older clients.
    pub(crate) async fn get_by_code(&self, typed: Option<TypedCode>, caller: &Caller) -> Result<Attempt> {
        let db = self.db();
        let found = match &typed {
            Some(code) => retrying(async || Attempts(&mut db.begin().await?).find_by_used_code(code).await).await?,
            None => None,
        };
        self.or_miss(found, caller).await
    }

    /// Handles that are none are counted, so that they cannot be tried by the million.
    async fn or_miss(&self, found: Option<Attempt>, caller: &Caller) -> Result<Attempt> {
        match found {
            Some(attempt) => Ok(attempt),
            None => {
                let rate = self.config().limits.misses_per_network;
                self.limit(LimitKey::tries("signup.tokens", network(caller)), rate)
                    .await?;
                Err(SignupError::BadHandle)
            }
        }
    }

    async fn limit(&self, key: LimitKey, rate: Rate) -> Result<()> {
        Ok(self.ports().limits.take(key, 1, rate, self.now()).await?)
    }

    /// Where an address belongs already, if anywhere.
    pub(crate) async fn find_identity(&self, email: &Email) -> Result<Option<Belongs>> {
        let request = FindIdentityRequest {
            email: email.as_str().to_owned(),
        };
        let found = self.ports().identities.find(&self.caller(), request).await?;
        let Some(identity) = found.identities.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Belongs {
            namespace: read_namespace(identity.namespace)?,
            account: identity.account,
        }))
    }

    /// The unguessable address of an attempt's subscribe page.
    pub(crate) fn link_of(&self, attempt: &Attempt) -> String {
        let base = self.config().public_url.as_str().trim_end_matches('/');
        format!("{base}/subscribe/{}", self.config().keys.link(attempt.id))
    }

    /// `$35`, or nothing where nothing is charged.
    pub(crate) fn price(&self) -> String {
        self.config().price.map(|price| price.to_string()).unwrap_or_default()
    }

    pub(crate) fn is_payment_required(&self) -> bool {
        self.config().price.is_some()
    }
}

/// Why an attempt can go no further.
fn why_over(state: State) -> SignupError {
    match state {
        State::Refunded => SignupError::Refunded,
        State::Failed => SignupError::Failed,
        State::Ready => SignupError::Complete,
        _ => SignupError::Expired,
    }
}

fn read_namespace(said: Option<wire::Namespace>) -> Result<Namespace> {
    let unreadable = || SignupError::Elsewhere(Error::internal(Unreadable));
    let said = said.ok_or_else(unreadable)?;
    let id = said.id.parse().map_err(|_| unreadable())?;
    Ok(Namespace {
        id,
        name: said.name.try_into().map_err(|_| unreadable())?,
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the namespaces service answered with a namespace that cannot be read")]
struct Unreadable;

/// Whom a request counts for: an IPv4 address, or the /64 that an IPv6 one belongs to.
fn network(caller: &Caller) -> String {
    let remote = caller.metadata().get("remote").map(String::as_str).unwrap_or_default();
    let address = remote
        .parse::<std::net::SocketAddr>()
        .map(|a| a.ip())
        .or_else(|_| remote.parse::<IpAddr>());
    match address {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            let s = v6.segments();
            format!("{:x}:{:x}:{:x}:{:x}::/64", s[0], s[1], s[2], s[3])
        }
        Ok(other) => other.to_canonical().to_string(),
        Err(_) if remote.is_empty() => "unknown".to_owned(),
        // A namespace's own instances: nobody else's.
        Err(_) => remote.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use micro_tenancy::Metadata;

    use super::*;

    #[test]
    fn a_network_is_an_address_or_its_64() {
        let of = |remote: &str| {
            network(&Caller::anonymous().with_metadata(Metadata::from([("remote".into(), remote.into())])))
        };
        assert_eq!(of("192.0.2.7:5000"), "192.0.2.7");
        assert_eq!(of("[::ffff:192.0.2.7]:5000"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("[2001:db8:1:2:ffff::1]:9"), "2001:db8:1:2::/64");
        assert_eq!(network(&Caller::anonymous()), "unknown");
        assert_ne!(of("namespace:one"), of("namespace:another"));
    }
}

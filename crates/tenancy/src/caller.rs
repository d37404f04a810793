//! Who is asking. Every generated method takes a [`Caller`] first.

use std::{collections::BTreeMap, fmt, sync::Arc};

use micro_domain::{AccountId, InstanceId, Namespace, NamespaceName, OperatorId, SessionId};
use micro_error::{Error, Kind};
use secrecy::SecretString;

use crate::tenant::{Actor, SystemTask, Tenant};

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// A person.
    User,
    /// Code that runs.
    Service,
}

impl AccountKind {
    /// The word on Micro's wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

/// How far a principal's authority goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its own namespace: the only one there is on the platform.
    Own,
    /// Any namespace: the administrator of a local server, which has one user.
    Local,
}

/// A verified account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The namespace it belongs to: Micro's `issuer`.
    pub namespace: Namespace,
    /// Its id there.
    pub account: AccountId,
    /// What people call it: its id, or an e-mail address.
    pub name: String,
    /// Person or code.
    pub kind: AccountKind,
    /// `admin`, `service`, or words of the tenant's own.
    pub scopes: Vec<String>,
    /// The login it came with, if any.
    pub session: Option<SessionId>,
    /// The running instance it is, if it came through an instance's door or holds its token.
    pub instance: Option<InstanceId>,
    /// How far it may go.
    pub reach: Reach,
}

impl Principal {
    /// Whether it may change things in its namespace: a user with scope `admin`, or a service with scope
    /// `service` (reference/micro-wire §3.6, as of v3.5).
    pub fn is_admin(&self) -> bool {
        let scope = match self.kind {
            AccountKind::User => "admin",
            AccountKind::Service => "service",
        };
        self.scopes.iter().any(|s| s.eq_ignore_ascii_case(scope))
    }
}

/// What an operator may do; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorRole {
    /// Look.
    Viewer,
    /// Help customers.
    Support,
    /// Move money.
    Billing,
    /// Everything.
    Admin,
}

/// Request metadata: lower-case names, in order (reference/micro-wire §1.3).
pub type Metadata = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub(crate) enum Who {
    Anonymous,
    Account(Arc<Principal>),
    System {
        task: SystemTask,
        namespace: Option<Namespace>,
    },
    Operator {
        id: OperatorId,
        role: OperatorRole,
    },
}

/// Who is asking, and what came with the question. Made by an `Authority`, except for
/// [`Caller::anonymous`] and [`Caller::outgoing`], which may do nothing.
#[derive(Clone)]
pub struct Caller {
    who: Who,
    bearer: Option<Arc<SecretString>>,
    metadata: Metadata,
}

impl Caller {
    pub(crate) const fn of(who: Who) -> Self {
        Self {
            who,
            bearer: None,
            metadata: Metadata::new(),
        }
    }

    /// Nobody in particular.
    pub const fn anonymous() -> Self {
        Self::of(Who::Anonymous)
    }

    /// A client's own side of a remote call: the token and metadata to send. In this process it is nobody.
    pub fn outgoing(bearer: Option<SecretString>, metadata: Metadata) -> Self {
        Self {
            who: Who::Anonymous,
            bearer: bearer.map(Arc::new),
            metadata,
        }
    }

    /// The same caller with the metadata that came with the request.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The same caller with the token it presented, kept for the calls that answer about that token.
    #[must_use]
    pub fn with_bearer(self, bearer: SecretString) -> Self {
        self.with_shared_bearer(Arc::new(bearer))
    }

    /// [`Self::with_bearer`], for a token that others hold too.
    #[must_use]
    pub fn with_shared_bearer(mut self, bearer: Arc<SecretString>) -> Self {
        self.bearer = Some(bearer);
        self
    }

    /// The token that was presented, or is to be sent.
    pub fn bearer(&self) -> Option<&SecretString> {
        self.bearer.as_deref()
    }

    /// What came with the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The verified account, if there is one.
    pub fn principal(&self) -> Option<&Principal> {
        match &self.who {
            Who::Account(p) => Some(p),
            _ => None,
        }
    }

    /// The verified account, or Micro's 401.
    pub fn account(&self) -> Result<&Principal, Error> {
        self.principal()
            .ok_or_else(|| Error::new(Kind::Unauthenticated, "auth", "An account is required"))
    }

    /// The platform's own task, if it is the platform that asks.
    pub fn system(&self) -> Option<SystemTask> {
        match self.who {
            Who::System { task, .. } => Some(task),
            _ => None,
        }
    }

    /// Refuses everyone but the platform itself: the guard of internal services.
    pub fn require_system(&self) -> Result<SystemTask, Error> {
        self.system()
            .ok_or_else(|| Error::new(Kind::Forbidden, "internal", "Access denied"))
    }

    /// The operator, if it holds at least `role`.
    pub fn require_operator(&self, role: OperatorRole) -> Result<OperatorId, Error> {
        match self.who {
            Who::Operator { id, role: held } if held >= role => Ok(id),
            Who::Operator { .. } => Err(Error::new(
                Kind::Forbidden,
                "operators.role",
                format!("This needs the role {role:?}"),
            )),
            _ => Err(Error::new(
                Kind::Unauthenticated,
                "operators.login",
                "Log in first: micro-admin login",
            )),
        }
    }

    /// Leave to act in the namespace that a message field names (Micro's `Authorize`): empty means the
    /// caller's own. Everything else that is not the caller's own is refused in the same words, whether it
    /// exists or not.
    pub fn enter(&self, named: &str) -> Result<Tenant, Error> {
        let denied = || Error::new(Kind::Forbidden, "auth", "Access denied to namespace");
        match &self.who {
            Who::Account(p) => {
                let actor = || Actor::Account(p.account.clone(), p.kind);
                if named.is_empty() || named == p.namespace.name.as_str() {
                    return Ok(Tenant::new(p.namespace.clone(), actor()));
                }
                match p.reach {
                    Reach::Own => Err(denied()),
                    Reach::Local => NamespaceName::parse(named)
                        .map(|name| Tenant::new(Namespace::of_local(name), actor()))
                        .map_err(|_| denied()),
                }
            }
            Who::System {
                task,
                namespace: Some(ns),
            } if named.is_empty() || named == ns.name.as_str() => Ok(Tenant::new(ns.clone(), Actor::System(*task))),
            Who::System { .. } | Who::Operator { .. } => Err(denied()),
            Who::Anonymous => self.account().and(Err(denied())),
        }
    }

    /// [`Self::enter`] for those who may also change things there (Micro's `AuthorizeAdmin`).
    pub fn enter_as_admin(&self, named: &str) -> Result<Tenant, Error> {
        let tenant = self.enter(named)?;
        match self.principal() {
            Some(p) if !p.is_admin() => Err(Error::new(Kind::Unauthenticated, "auth", "Unauthorized")),
            _ => Ok(tenant),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.who).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;

    fn ada(reach: Reach) -> Caller {
        #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
        let authority = Authority::for_boot();
        authority.verified(Principal {
            namespace: Namespace::of_local(NamespaceName::parse("ada-ns").expect("valid")),
            account: AccountId::new("ada"),
            name: "ada".into(),
            kind: AccountKind::User,
            scopes: vec!["admin".into()],
            session: None,
            instance: None,
            reach,
        })
    }

    #[test]
    fn a_namespace_in_a_message_grants_nothing() {
        let ada = ada(Reach::Own);
        assert_eq!(ada.enter("").expect("own").namespace().name.as_str(), "ada-ns");
        assert_eq!(ada.enter("ada-ns").expect("own").namespace().name.as_str(), "ada-ns");
        for other in ["micro", "bobs-ns", "*", "ada-ns/", "ADA-NS"] {
            let refused = ada.enter(other).expect_err("a stranger's");
            assert_eq!(
                (refused.kind(), refused.message()),
                (Kind::Forbidden, "Access denied to namespace")
            );
        }
    }

    #[test]
    fn nobody_needs_an_account_first() {
        let refused = Caller::anonymous().enter("micro").expect_err("nobody");
        assert_eq!(
            (refused.kind(), refused.message()),
            (Kind::Unauthenticated, "An account is required")
        );
        let forged = Caller::outgoing(Some("token".into()), Metadata::new());
        assert_eq!(
            forged.enter("micro").expect_err("nobody here").kind(),
            Kind::Unauthenticated
        );
    }

    #[test]
    fn a_local_administrator_reaches_every_namespace() {
        assert_eq!(
            ada(Reach::Local)
                .enter("bobs-ns")
                .expect("local")
                .namespace()
                .name
                .as_str(),
            "bobs-ns"
        );
        assert!(ada(Reach::Local).enter("*").is_err());
    }
}

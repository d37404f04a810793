//! What a token says.

use micro_domain::{AccountId, InstanceId, Namespace, NamespaceId, NamespaceName, SessionId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{AccountKind, Principal, Reach};

/// What a token may be used for: its `typ` and `aud`, both checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Opens the platform's doors.
    Access,
    /// Is traded for access by the running instance it was made for (Micro's `MICRO_AUTH_SECRET`).
    Instance,
    /// Says to one service, `<namespace>/<name>`, for whom a request is made, and opens nothing else.
    Exchanged(&'a str),
    /// Carries a caller from one process of ours to the named core service of another.
    Internal(&'a str),
}

impl Purpose<'_> {
    pub(super) fn typ(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Instance => "instance",
            Self::Exchanged(_) => "exchanged",
            Self::Internal(_) => "internal",
        }
    }

    pub(super) fn audience(self) -> String {
        match self {
            Self::Access => "micro".into(),
            Self::Instance => "auth".into(),
            Self::Exchanged(service) => format!("service:{service}"),
            Self::Internal(service) => format!("internal:{service}"),
        }
    }
}

/// The claims of a verified token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The environment that made it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// What kind of token it is.
    pub typ: String,
    /// The account.
    pub sub: AccountId,
    /// What people call the account.
    pub name: String,
    /// Person or code.
    pub kind: AccountKind,
    /// The account's scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The account's namespace, by id.
    pub ns: NamespaceId,
    /// The account's namespace, by name.
    pub nsn: NamespaceName,
    /// The deployment that the namespace lives in.
    pub cell: String,
    /// The login it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The running instance it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ins: Option<InstanceId>,
    /// Whether it is the administrator of a local server. Believed by local servers only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// Unix seconds.
    pub exp: i64,
    /// Unix seconds.
    pub iat: i64,
    /// Its own id.
    pub jti: Uuid,
}

impl Claims {
    /// The account that these claims speak of.
    pub fn principal(&self, local: bool) -> Principal {
        Principal {
            namespace: Namespace {
                id: self.ns,
                name: self.nsn.clone(),
            },
            account: self.sub.clone(),
            name: self.name.clone(),
            kind: self.kind,
            scopes: self.scopes.clone(),
            session: self.sid,
            instance: self.ins,
            reach: if local && self.local { Reach::Local } else { Reach::Own },
        }
    }

    /// The service, `<namespace>/<name>`, that an exchanged token was made for.
    pub fn service(&self) -> Option<&str> {
        self.aud.strip_prefix("service:")
    }
}

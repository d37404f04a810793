//! Leave to act inside one namespace.

use std::fmt;

use micro_domain::{AccountId, Namespace, NamespaceId};

use crate::AccountKind;

/// Leave to act inside one namespace, and on whose behalf. There is no public constructor: a verified
/// caller has one, a queued job carries one, signup founds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    namespace: Namespace,
    actor: Actor,
}

impl Tenant {
    pub(crate) const fn new(namespace: Namespace, actor: Actor) -> Self {
        Self { namespace, actor }
    }

    /// Where this may act: leads every key in storage.
    pub fn id(&self) -> NamespaceId {
        self.namespace.id
    }

    /// Where this may act, by both handles.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

/// Who acts, for audit and metadata (`owner`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person's or a service's account of this namespace.
    Account(AccountId, AccountKind),
    /// The platform, for a listed reason.
    System(SystemTask),
}

/// Why the platform acts by itself. One variant a reason; each is searchable, logged and audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SystemTask {
    /// Signing a person up, up to a ready namespace.
    Signup,
    /// Finding which namespace and account an address belongs to.
    Directory,
    /// Taking money and acting on what the payment provider reports.
    Billing,
    /// Making a namespace and its walls, or taking them down.
    Provisioning,
    /// Keeping what runs equal to what was asked for.
    Reconcile,
    /// Claiming and finishing jobs.
    Jobs,
    /// Sending letters.
    Mail,
    /// Deciding a request at a door: rules, accounts, revocations.
    Doors,
    /// Removing what has expired.
    Sweep,
    /// Answering an operator.
    Operators,
    /// Holding this process's lease.
    Lease,
}

impl fmt::Display for SystemTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

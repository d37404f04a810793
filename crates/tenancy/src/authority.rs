//! The right to say who somebody is. Held by the few places that check it: the token verifier, the
//! services' doors, the job queue, signup, and the operators' door.

use std::sync::Arc;

use micro_domain::{Namespace, OperatorId};

use crate::{
    Caller, OperatorRole, Principal,
    caller::Who,
    tenant::{Actor, SystemTask, Tenant},
};

/// Makes tenants and callers. Boot mints one and gives clones to those who check identities;
/// clippy refuses [`Authority::for_boot`] anywhere else.
#[derive(Clone, Debug)]
pub struct Authority(());

impl Authority {
    /// Mints authority: in `cli/micro`'s boot and in the testkit, nowhere else.
    pub const fn for_boot() -> Self {
        Self(())
    }

    /// A caller whose credentials were verified: by a token's signature, or by the door it came through.
    pub fn verified(&self, principal: impl Into<Arc<Principal>>) -> Caller {
        Caller::of(Who::Account(principal.into()))
    }

    /// The platform itself, for one listed task, inside one namespace.
    pub fn system_in(&self, task: SystemTask, namespace: Namespace) -> Caller {
        Caller::of(Who::System {
            task,
            namespace: Some(namespace),
        })
    }

    /// The platform itself, for one listed task that belongs to no namespace.
    pub fn system(&self, task: SystemTask) -> Caller {
        Caller::of(Who::System { task, namespace: None })
    }

    /// An operator who logged in at the operators' door.
    pub fn operator(&self, id: OperatorId, role: OperatorRole) -> Caller {
        Caller::of(Who::Operator { id, role })
    }

    /// Leave for the platform to act in a namespace: what a queued job or a saga carries.
    pub fn enter(&self, task: SystemTask, namespace: Namespace) -> Tenant {
        Tenant::new(namespace, Actor::System(task))
    }
}

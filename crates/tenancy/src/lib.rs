//! Who may act where. A [`Tenant`] is leave to act inside one namespace, a [`Caller`] is who is asking:
//! neither can be made except from an [`Authority`], which boot mints once. [`tokens`] carry who somebody is,
//! [`Verifier`] reads them, [`rules`] decide what they may call;
//! [`Reports`] is what each service counts of its namespace's limits.

mod authority;
pub mod bounded;
mod caller;
mod revocations;
pub mod rules;
mod tenant;
pub mod tokens;
mod usage;
mod verify;

pub use authority::Authority;
pub use caller::{AccountKind, Caller, Metadata, OperatorRole, Principal, Reach};
pub use revocations::{Revocation, Revocations};
pub use tenant::{Actor, SystemTask, Tenant};
pub use usage::{LimitReached, Reports, Used};
pub use verify::{Verified, Verifier, Verify};

#[cfg(test)]
mod tests {
    use micro_domain::{AccountId, Namespace, NamespaceName};

    use crate::{AccountKind, Principal, Reach};

    pub fn ada() -> Principal {
        Principal {
            namespace: Namespace::of_local(NamespaceName::parse("ada-ns").expect("valid")),
            account: AccountId::new("ada"),
            name: "ada".into(),
            kind: AccountKind::User,
            scopes: vec!["admin".into()],
            session: None,
            instance: None,
            reach: Reach::Own,
        }
    }
}

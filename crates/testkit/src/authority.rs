//! Authority for tests, which stand in for boot.

use micro_domain::{AccountId, Namespace, NamespaceName};
use micro_tenancy::{AccountKind, Authority, Principal, Reach, SystemTask, Tenant};

/// The right to say who somebody is.
#[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
pub fn authority() -> Authority {
    Authority::for_boot()
}

/// Leave to act in the namespace of that name; its id follows from the name.
pub fn tenant(name: &str) -> Tenant {
    tenant_of(Namespace::of_local(
        NamespaceName::parse(name).expect("a test's namespace name is valid"),
    ))
}

/// Leave to act in a namespace that exists.
pub fn tenant_of(namespace: Namespace) -> Tenant {
    authority().enter(SystemTask::Reconcile, namespace)
}

/// A person's account with scope `admin` in the namespace of that name, reaching no further.
pub fn principal(namespace: &str, account: &str) -> Principal {
    Principal {
        namespace: tenant(namespace).namespace().clone(),
        account: AccountId::new(account),
        name: account.into(),
        kind: AccountKind::User,
        scopes: vec!["admin".into()],
        session: None,
        instance: None,
        reach: Reach::Own,
    }
}

//! Who may act where. A [`Tenant`] is leave to act inside one namespace, a [`Caller`] is who is asking:
//! neither can be made except from an [`Authority`], which boot mints once.

mod authority;
mod caller;
mod tenant;

pub use authority::Authority;
pub use caller::{AccountKind, Caller, Metadata, OperatorRole, Principal, Reach};
pub use tenant::{Actor, SystemTask, Tenant};

//! Values and their rules, without any I/O: ids, namespace names, e-mail addresses, money, plans and limits.

mod email;
mod ids;
mod limits;
mod money;
mod namespace;

pub use email::{Email, InvalidEmail};
pub use ids::{AccountId, AttemptId, InstanceId, JobId, OperatorId, ReleaseId, SessionId};
pub use limits::{Limit, Limits};
pub use money::{Currency, Money, Plan};
pub use namespace::{InvalidName, Namespace, NamespaceId, NamespaceName, ServiceName};

//! Which door a request came through.

use std::sync::Arc;

use micro_tenancy::Principal;

/// A door.
pub enum Door {
    /// gRPC for command lines.
    Proxy,
    /// The HTTP API.
    Api,
    /// The only door of one running instance: whoever comes through is that instance.
    Instance(Arc<Principal>),
}

impl Door {
    /// For metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Api => "api",
            Self::Instance(_) => "instance",
        }
    }
}

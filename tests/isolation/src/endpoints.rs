//! Everything that a door could be asked for, from the descriptors.

use std::collections::BTreeSet;

use micro_rpc::MethodDescriptor;

/// One rpc of one service, under one name.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The first part of its path: `auth`.
    pub service: &'static str,
    /// `Accounts`
    pub handler: &'static str,
    /// What the proto file says of it.
    pub method: &'static MethodDescriptor,
}

impl Endpoint {
    /// `auth.Accounts/List`
    pub fn name(&self) -> String {
        format!("{}.{}/{}", self.service, self.handler, self.method.name)
    }
}

/// Every rpc of every package, and under each package's name the `Debug` handler that all services have.
pub fn all() -> Vec<Endpoint> {
    let own = micro_proto::services().flat_map(|s| {
        s.methods.iter().map(move |method| Endpoint {
            service: s.package,
            handler: s.name,
            method,
        })
    });
    let packages: BTreeSet<_> = micro_proto::services().map(|s| s.package).collect();
    let debug = micro_proto::services().filter(|s| s.package == "debug");
    let methods: Vec<_> = debug.flat_map(|s| s.methods).collect();
    let of_all = packages.into_iter().filter(|p| *p != "debug").flat_map(|service| {
        methods.clone().into_iter().map(move |method| Endpoint {
            service,
            handler: "Debug",
            method,
        })
    });
    own.chain(of_all).collect()
}

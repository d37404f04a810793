//! Micro's messages and services as Rust: one module per proto package, written by `micro-codegen`.
//!
//! Each service is a trait, whose methods take the `Caller` first; a `…Server` that answers its calls over
//! gRPC; and a `…Client` that makes them over any `Channel`. `Arc<dyn Trait>` may be either.

use micro_rpc::ServiceDescriptor;

#[rustfmt::skip]
#[path = "gen/auth.rs"]
pub mod auth;
#[rustfmt::skip]
#[path = "gen/billing.rs"]
pub mod billing;
#[rustfmt::skip]
#[path = "gen/broker.rs"]
pub mod broker;
#[rustfmt::skip]
#[path = "gen/config.rs"]
pub mod config;
#[rustfmt::skip]
#[path = "gen/debug.rs"]
pub mod debug;
#[rustfmt::skip]
#[path = "gen/events.rs"]
pub mod events;
#[rustfmt::skip]
#[path = "gen/namespaces.rs"]
pub mod namespaces;
#[rustfmt::skip]
#[path = "gen/network.rs"]
pub mod network;
#[rustfmt::skip]
#[path = "gen/operators.rs"]
pub mod operators;
#[rustfmt::skip]
#[path = "gen/registry.rs"]
pub mod registry;
#[rustfmt::skip]
#[path = "gen/runtime.rs"]
pub mod runtime;
#[rustfmt::skip]
#[path = "gen/signup.rs"]
pub mod signup;
#[rustfmt::skip]
#[path = "gen/store.rs"]
pub mod store;

/// Every service of every package, for tables that must have a row per rpc.
pub fn services() -> impl Iterator<Item = &'static ServiceDescriptor> {
    let packages = [
        auth::descriptor::SERVICES,
        billing::descriptor::SERVICES,
        broker::descriptor::SERVICES,
        config::descriptor::SERVICES,
        debug::descriptor::SERVICES,
        events::descriptor::SERVICES,
        namespaces::descriptor::SERVICES,
        network::descriptor::SERVICES,
        operators::descriptor::SERVICES,
        registry::descriptor::SERVICES,
        runtime::descriptor::SERVICES,
        signup::descriptor::SERVICES,
        store::descriptor::SERVICES,
    ];
    packages.into_iter().flatten().copied()
}

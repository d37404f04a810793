//! The runtime with a real sandbox in plain mode, memory for storage, and doubles for its neighbours. This binary is its
//! own `sandbox-init`.

mod adoption;
mod app;
mod builds;
mod confined;
mod git;
mod limits;
mod logs;
mod namespaces;
mod replicas;
mod services;
mod updates;
mod uploads;

micro_sandbox::enter_before_main!();

//! The sandbox as the server uses it. This binary is its own `sandbox-init`.

mod launching;
mod logs;
mod support;

micro_sandbox::enter_before_main!();

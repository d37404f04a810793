//! The sandbox as the server uses it, in each mode that this machine allows. This binary is its own `sandbox-init`, and
//! its own program inside (`roles`).

mod adoption;
mod bounds;
mod doors;
mod hostile;
mod launching;
mod logs;
mod modes;
mod roles;
mod support;

micro_sandbox::enter_before_main!();

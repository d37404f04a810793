//! The double, over HTTP only: the points of its acceptance list (reference/crates §3), each with a test.

mod api;
mod cards;
mod checkout;
mod clocks;
mod delivery;
mod faults;
mod harness;
mod persistence;
mod subscriptions;

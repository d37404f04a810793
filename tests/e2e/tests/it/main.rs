//! The whole system, end to end.

mod browser;
mod crash;
mod walk;

//! The whole system, end to end.

mod browser;
mod crash;
mod hostile;
mod walk;

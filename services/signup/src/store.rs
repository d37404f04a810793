//! The SQL of sign-ups. All of it runs as the system: an attempt belongs to no namespace yet.

mod attempts;
mod codes;

pub(crate) use attempts::{Attempts, NewAttempt};
pub(crate) use codes::Codes;

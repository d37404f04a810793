//! Isolation: every rpc and its HTTP path, called by everybody who has no business there. A victim plants canaries;
//! no answer may carry one, and afterwards all of them are still where they were.
//!
//! What is called comes from the proto files' descriptors ([`endpoints`]), what is expected from the table
//! ([`rows`]): an rpc without a row has no expectation, and the test names it.

pub mod callers;
pub mod disguises;
pub mod doors;
pub mod endpoints;
pub mod expectation;
pub mod requests;
pub mod rows;
pub mod victim;

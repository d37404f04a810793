//! Isolation: every rpc, its HTTP path and every page, asked by everybody who has no business there. A victim plants
//! canaries; no answer may carry one, and afterwards all of them are still where they were.
//!
//! What is called comes from the proto files' descriptors ([`endpoints`]) and the lists that the doors' routers are made
//! of, what is expected from the tables ([`rows`], [`routes`]): what has no row has no expectation, and a test names it.

pub mod callers;
pub mod disguises;
pub mod doors;
pub mod endpoints;
pub mod expectation;
pub mod requests;
pub mod routes;
pub mod rows;
pub mod site;
pub mod spellings;
pub mod victim;

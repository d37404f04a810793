//! Namespaces and identities on a real database.

mod app;
mod identities;
mod namespaces;

//! Auth on memory storage, through its generated traits.

mod accounts;
mod instances;
mod logins;
mod rules;
mod sessions;
mod world;

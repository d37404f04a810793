//! Auth through its generated traits, on memory storage but for `back_ends`.

mod accounts;
mod back_ends;
mod instances;
mod limits;
mod logins;
mod profiles;
mod rules;
mod sessions;
mod world;

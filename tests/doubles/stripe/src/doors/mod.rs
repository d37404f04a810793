//! The three doors: Stripe's API, the pages that people see, and the tests' own.

pub mod admin;
pub mod api;
pub mod pages;

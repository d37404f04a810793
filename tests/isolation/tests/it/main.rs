//! Isolation between tenants, over every rpc and every page.

mod disguised;
mod elsewhere;
mod inside;
mod operators;
mod pages;
mod rows;
mod services;
mod table;

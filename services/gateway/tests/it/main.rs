//! The doors on real sockets: fake ports behind them, real nodes where a service is.

mod api;
mod auth;
mod bounds;
mod core;
mod drain;
mod forward;
mod hop;
mod nodes;
mod revoked;
mod tls;
mod web;
mod world;

//! A stand-in for Stripe: its own server, reached only over HTTP, with state, a clock, test cards, a hosted
//! page, webhooks and faults on demand. What it does not model answers 501, so that nothing passes by luck.

#![recursion_limit = "512"]

mod books;
mod cards;
mod delivery;
mod doors;
mod error;
mod faults;
mod objects;
mod params;
mod persist;
mod server;
mod state;
mod work;

pub use server::{Double, Options};

/// The API version whose shapes the double answers: the one async-stripe 1.0.0-rc.10 is generated from.
pub const API_VERSION: &str = "2026-09-30.endive";

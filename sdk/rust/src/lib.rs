//! Write a service for Micro in ten lines.
//!
//! ```no_run
//! use micro_sdk::{Context, Error, Service};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Hello { name: String }
//! #[derive(Serialize)]
//! struct Greeting { msg: String }
//!
//! async fn hello(_: Context, hello: Hello) -> Result<Greeting, Error> {
//!     Ok(Greeting { msg: format!("Hello {}", hello.name) })
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Error> {
//!     Service::new("greeter").handle("Greeter.Hello", hello).run().await
//! }
//! ```
//!
//! `micro run .` builds it, starts it and registers it; `micro greeter hello --name Ada` calls it.
//! Requests and replies are any types serde knows; the request's fields become the flags of `micro greeter
//! hello`. Calls travel as JSON (`application/grpc+json`); a service that only speaks protobuf cannot be
//! called from here yet, nor can this one by it.

mod client;
mod context;
mod error;
mod frame;
mod identity;
mod schema;
mod server;
mod service;

pub use client::Client;
pub use context::Context;
pub use error::Error;
pub use service::Service;

#![doc = include_str!("../README.md")]

mod base64;
mod blobs;
mod body;
mod broker;
mod client;
mod config;
mod context;
mod debug;
mod error;
mod events;
mod frame;
mod identity;
mod listen;
pub mod log;
mod protobuf;
mod schema;
mod server;
mod service;
mod settings;
mod store;
mod stream;
mod trace;
mod value;

pub use blobs::{Blob, Blobs, Download, Uploading};
pub use broker::{Broker, Message};
pub use config::Config;
pub use context::Context;
pub use error::Error;
pub use events::{Consumer, Event, Events, Start};
pub use service::Service;
pub use settings::{Account, Settings};
pub use store::{Store, Versioned};
pub use stream::{Sender, Stream, Streaming};

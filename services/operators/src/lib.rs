//! What the people who run the platform may see and do. They are principals of their own kind, with roles; each
//! of their calls is checked and leaves a row in the audit log before it is answered.
//!
//! Customers and namespaces are asked from the services that own them.

mod app;
mod error;
mod grpc;
mod secret;
mod store;

pub use app::{OperatorsService, Ports, SealedSecrets};
pub use error::OperatorsError;

//! Recorded exchanges of a real Micro v3.2.1 client and its services, and what is needed to replay them.

pub mod call;
pub mod compare;
pub mod differences;
pub mod fake;
pub mod filled;
pub mod messages;
pub mod open;
pub mod plain;
pub mod reference;
pub mod session;
pub mod upstream;
pub mod vectors;

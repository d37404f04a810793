//! Recorded exchanges of a real Micro v3.2.1 client and its services, and what is needed to replay them.

pub mod filled;
pub mod messages;
pub mod plain;
pub mod vectors;

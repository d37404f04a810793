//! What is measured, and who does the same work: servers of our own, peers, and clients of both.

pub mod backend;
pub mod cores;
pub mod envoy;
pub mod grpc;
pub mod local;
pub mod pgbench;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod rest;
pub mod tenants;

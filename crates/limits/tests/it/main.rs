//! One contract, kept by every limiter.

mod contract;
mod redis_server;

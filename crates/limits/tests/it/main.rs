//! One contract, kept by every limiter.

mod contract;
mod history;
mod rations;

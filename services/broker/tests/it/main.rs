//! The broker through its generated trait; and one contract, kept by every exchange.

mod contract;
mod doors;
mod history;
mod replicas;
mod severed;
mod world;

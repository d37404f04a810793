//! How fast Micro is, beside peers that do the same work on the same machine in the same run.
//!
//! [`harness`] measures: rounds in turns, load, CPU and memory of processes, budgets, the table. `world` starts what
//! is measured. [`rows`] is what is measured: one module for each group of rows.

pub mod harness;
pub mod rows;
mod world;

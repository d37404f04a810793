//! Everything that was recorded of a real Micro v3.2.1, against ours.

mod boot;
mod codec;
mod commands;
mod door;
mod replay;

//! Everything that was recorded of a real Micro v3.2.1, against ours, and what the reference says of its wire.

mod boot;
mod codec;
mod codecs;
mod commands;
mod door;
mod metadata;
mod reference;
mod replay;
mod sizes;
mod streams;
mod upstream;
mod wording;
mod world;

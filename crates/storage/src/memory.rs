//! The three traits in memory: what a local server runs on when nothing need last, and what tests compare with.

mod blobs;
mod log;
mod records;

pub use blobs::MemoryBlobs;
pub use log::MemoryLog;
pub use records::MemoryRecords;

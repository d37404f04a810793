//! How entries and blobs are kept.

pub mod blob_index;
pub mod entry;
pub mod pieces;
pub mod search;
pub mod turns;

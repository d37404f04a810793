//! Where source code comes from, and how it arrives safely.

pub mod address;
pub mod archive;
pub mod git;

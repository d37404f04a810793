//! What the command lines share: how they print, ask, end, and keep private files.

pub mod exit;
pub mod out;
mod private_file;
pub mod prompt;
mod quiet;
pub mod table;

pub use private_file::PrivateFile;

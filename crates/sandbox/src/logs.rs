//! An instance's output on disk: segments of records, written by its keeper (or, for what the server itself has to say,
//! by [`LogWriter`]), read and followed by anyone who may open the directory.
//!
//! A directory holds `<first sequence>.log` files. Sequences start at 1 and have no holes, unless a disk was full or old
//! segments were removed to stay within the bound.

mod reader;
mod record;
mod segments;
mod watch;
mod writer;

pub use reader::{Entry, LogReader};
pub(crate) use record::LONGEST_LINE;
pub use record::{Record, Stream};
pub use writer::LogWriter;

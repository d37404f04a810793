//! Records and Log on PostgreSQL: one prepared function call a statement, on a few shared connections
//! (reference/spike-store §1, §5).

mod chunk;
mod hot;
mod log;
mod records;
mod tls;

pub use hot::Hot;
pub use log::SqlLog;
pub use records::SqlRecords;

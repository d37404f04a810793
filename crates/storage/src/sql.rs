//! Records and Log on PostgreSQL: one prepared function call a statement, on a few shared connections; writes of all
//! callers combined into few commits, each row in its own namespace's scope (reference/spike-store §1, §4, §5).

mod chunk;
mod hot;
mod lane;
mod log;
mod records;
mod tls;

pub use hot::Hot;
pub use log::SqlLog;
pub use records::SqlRecords;

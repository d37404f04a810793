//! What measuring is made of.

mod allocations;
mod contest;
mod cpu;
mod load;
mod machine;
mod memory;
mod report;
mod sample;
mod settings;
mod table;

pub use allocations::allocations;
pub use contest::{Contender, Rounds, contest};
pub use cpu::{Cpu, Whose, thread_nanos};
pub use load::{Load, closed_loop, open_loop};
pub use machine::Machine;
pub use memory::resident_bytes;
pub use report::{Budget, Report, Row, Verdict};
pub use sample::{Figure, Sample, median, percentile};
pub use settings::Settings;

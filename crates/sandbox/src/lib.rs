//! Runs tenant code: one keeper process per instance, which confines the code, holds its output, its doors and the
//! reason of its end, outlives a restart of the server, and takes everything with it when it goes.
//!
//! The server's side is [`Launcher`] and [`Keeper`]; the other side is the same binary, re-executed, which enters
//! through [`entry`]. How it is built and why: `reference/spike-run`.

mod adopt;
mod capabilities;
mod confine;
mod control;
mod exit;
mod failure;
mod hand_over;
mod init;
mod keeper;
mod launch;
mod logs;
mod probe;
mod spec;
mod sys;

pub use capabilities::{Capabilities, MemoryLimit, Mode};
pub use exit::{Exit, ExitReason};
pub use failure::Failure;
pub use hand_over::hand_over;
pub use init::entry;
pub use keeper::{Keeper, KeeperError};
pub use launch::{LaunchError, Launcher};
pub use logs::{Entry, LogReader, LogWriter, Record, Stream};
pub use probe::{ProbeFailure, probe};
pub use spec::{Bind, Door, Kind, Limits, Spec};

/// Makes a test binary able to be its own `sandbox-init`: enters [`entry`] before the test harness reads its arguments.
/// A program with a `main` of its own calls [`entry`] there instead.
#[macro_export]
macro_rules! enter_before_main {
    () => {
        #[used]
        #[unsafe(link_section = ".init_array")]
        static ENTER_SANDBOX_INIT: extern "C" fn() = {
            extern "C" fn enter() {
                if let Some(code) = $crate::entry(::std::env::args_os()) {
                    ::std::process::exit(if code == ::std::process::ExitCode::SUCCESS {
                        0
                    } else {
                        1
                    });
                }
            }
            enter
        };
    };
}

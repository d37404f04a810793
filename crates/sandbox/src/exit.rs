//! Why an instance ended.

use std::{fmt, fs, path::Path};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The end of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Why.
    pub reason: ExitReason,
    /// When, by the keeper's clock; none if the keeper could not say.
    #[serde(with = "time::serde::timestamp::option")]
    pub at: Option<OffsetDateTime>,
}

/// Why an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitReason {
    /// The program returned this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It took more memory than it may.
    OutOfMemory,
    /// The keeper was killed or the machine went down: nobody saw why.
    Lost,
}

/// The keeper's last words, in the instance's state directory.
pub(crate) const FILE: &str = "exit";

impl Exit {
    /// What the keeper that worked in `state_dir` wrote before it ended; `None` while it runs, or if it was killed.
    pub fn recorded(state_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(state_dir.join(FILE)).ok()?).ok()
    }

    pub(crate) fn lost() -> Self {
        Self {
            reason: ExitReason::Lost,
            at: None,
        }
    }

    /// Ended by returning 0.
    pub fn success(&self) -> bool {
        self.reason == ExitReason::Code(0)
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Lost => f.write_str("ended with its keeper, which left no reason"),
        }
    }
}

impl ExitReason {
    /// From `waitpid`'s status.
    pub(crate) fn of_status(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else {
            Self::Code(libc::WEXITSTATUS(status))
        }
    }
}

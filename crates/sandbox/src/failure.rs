//! A step that did not work: which, and what the kernel said.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// One step of starting a sandbox failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was tried (`make namespaces`, `mount proc`, …).
    pub step: String,
    /// What the kernel said.
    pub reason: String,
    /// Its number, if it has one.
    pub errno: Option<i32>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.reason)
    }
}

impl std::error::Error for Failure {}

/// Names the step that an I/O error happened in.
pub(crate) trait Step<T> {
    fn step(self, name: impl Into<String>) -> Result<T, Failure>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, name: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|e| Failure {
            step: name.into(),
            errno: e.raw_os_error(),
            reason: e.to_string(),
        })
    }
}

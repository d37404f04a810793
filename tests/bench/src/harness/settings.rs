//! How much to measure, and with what.

use std::{path::PathBuf, time::Duration};

/// How much to measure, and with what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rounds of each contender.
    pub rounds: usize,
    /// How long each round loads.
    pub length: Duration,
    /// Whether sizes are small too: to see that everything runs, not how fast.
    pub quick: bool,
    /// The `micro` binary under test.
    pub micro: PathBuf,
    /// The Envoy binary, where there is one.
    pub envoy: Option<PathBuf>,
    /// Where databases lie: on the kind of disk that they would lie on.
    pub dir: PathBuf,
}

impl Settings {
    /// A size, or the small one of a quick run.
    pub fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

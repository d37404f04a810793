//! Finds out, with a throw-away sandbox, how this machine lets us confine.

use crate::{capabilities::Mode, failure::Failure};

/// Why tenant code cannot be confined here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{remedy}")]
pub struct ProbeFailure {
    /// What did not work.
    #[source]
    pub failure: Failure,
    /// What to do about it, for a person.
    pub remedy: String,
}

/// Runs a throw-away sandbox: the best mode that works here, or the step that fails.
pub fn probe() -> Result<Mode, ProbeFailure> {
    let failure = Failure {
        step: "confine".to_owned(),
        reason: "not built into this version".to_owned(),
        errno: None,
    };
    Err(ProbeFailure {
        failure,
        remedy: "confinement is not built yet".to_owned(),
    })
}

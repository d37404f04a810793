//! Where settings come from, and what is wrong with them.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// The raw words: flags win over environment, environment over file.
#[derive(Clone, Default)]
pub struct Sources {
    /// By flag name without dashes (`data-dir`).
    pub flags: BTreeMap<String, String>,
    /// The process's environment, whole.
    pub env: BTreeMap<String, String>,
    /// `--config FILE`: its path and text.
    pub file: Option<(PathBuf, String)>,
}

impl Sources {
    /// This process's own environment, read here and nowhere else.
    pub fn from_process() -> Self {
        Self {
            env: std::env::vars().collect(),
            ..Self::default()
        }
    }
}

/// What the defaults depend on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The user's home directory.
    pub home: PathBuf,
    /// Whether this is root.
    pub root: bool,
}

/// Everything that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "configuration: {one}"),
            many => {
                write!(f, "configuration: {} things are wrong:", many.len())?;
                many.iter().try_for_each(|p| write!(f, "\n  - {p}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

//! Paths into a tree: names with dots between them.

use crate::Refusal;

/// A parsed path. Without names it is the whole tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err(Refusal::Path(text.to_owned()));
        }
        Ok(Self(names))
    }

    /// Its names, from the root on.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

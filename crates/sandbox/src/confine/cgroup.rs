//! Memory and process bounds of a whole instance.

use std::path::Path;

/// Removes the groups of an instance that has ended.
pub(crate) fn clear(_state_dir: &Path) {}

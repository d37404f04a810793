//! State in a file: read at the start, replaced whole after each change.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;

use crate::state::State;

/// What the file holds; a fresh account if it is not there.
pub fn load(path: &Path) -> anyhow::Result<State> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not this double's state", path.display()))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(e) => Err(e).with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes beside the file, then takes its place: a crash leaves the old or the new state, never half of one.
pub fn save(path: &Path, state: &State) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    // It holds addresses and signing secrets.
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(&beside)
        .with_context(|| format!("writing {}", beside.display()))?;
    file.write_all(&serde_json::to_vec(state)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(())
}

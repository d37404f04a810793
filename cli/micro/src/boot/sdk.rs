//! The SDK's source, as it is in this binary, laid out where builds can see it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use micro_runtime::Sdk;

use super::data_dir::DataDir;

/// Path in the crate, and content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// Writes the source into the data directory, where it differs. Layers go to a cache that all of this user's
/// servers share: compiling one takes half a minute.
pub fn lay_out(data: &DataDir, cache: PathBuf) -> anyhow::Result<Sdk> {
    let source = data.private("sdk")?;
    for (path, content) in FILES {
        write_if_different(&source.join(path), content)?;
    }
    Ok(Sdk { source, cache })
}

fn write_if_different(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}

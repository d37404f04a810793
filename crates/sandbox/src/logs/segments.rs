//! The files of a log directory.

use std::{fs, io, path::Path};

/// One file, by the sequence of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) bytes: u64,
}

/// Its name: twenty digits, so that names sort as numbers do.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}.log")
}

/// All of them, oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(first) = name
            .to_str()
            .and_then(|n| n.strip_suffix(".log"))
            .and_then(|n| n.parse().ok())
        else {
            continue;
        };
        match entry.metadata() {
            Ok(meta) => found.push(Segment {
                first,
                bytes: meta.len(),
            }),
            // Removed by its writer since the directory was read.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    found.sort_unstable();
    Ok(found)
}

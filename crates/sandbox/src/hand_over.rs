//! Gives a directory tree to the uid a program will have.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
};

/// Makes `uid` the owner of `path` and of everything in it that is of the same file system, without following links.
/// For what a program in root mode may write ([`crate::Spec::service_uid`]); nothing else may be changing the tree meanwhile.
pub fn hand_over(path: &Path, uid: u32) -> io::Result<()> {
    let top = fs::symlink_metadata(path)?;
    give(path, &top, top.dev(), uid)
}

fn give(path: &Path, meta: &fs::Metadata, device: u64, uid: u32) -> io::Result<()> {
    if meta.dev() != device {
        return Ok(());
    }
    if meta.uid() != uid || meta.gid() != uid {
        lchown(path, Some(uid), Some(uid))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            give(&entry.path(), &entry.metadata()?, device, uid)?;
        }
    }
    Ok(())
}

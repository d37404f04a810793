//! A small file of the person's own: read whole, replaced whole, readable by nobody else, and locked by a file
//! of its own while it changes, so that two terminals at once lose nothing.

use std::{
    fmt::Display,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::exit::{Failure, Result};

/// One file, in a folder that is made when something is written.
#[derive(Clone, Debug)]
pub struct PrivateFile {
    folder: PathBuf,
    name: &'static str,
}

impl PrivateFile {
    /// The file of that name.
    pub fn new(folder: &Path, name: &'static str) -> Self {
        Self {
            folder: folder.to_owned(),
            name,
        }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// Waits until nobody else changes the file. The lock goes with the answer.
    pub fn lock(&self) -> Result<File> {
        let lock = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let path = self.folder.join(format!(".{}.lock", self.name));
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|e: io::Error| self.failed("locking", &e))
    }

    /// What it says, if it exists.
    pub fn read(&self) -> Result<Option<String>> {
        match fs::read_to_string(self.path()) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed("reading", &e)),
        }
    }

    /// Replaces it. Call it with the lock held.
    pub fn replace(&self, text: &str) -> Result<()> {
        let replace = || {
            let fresh = self.folder.join(format!(".{}.{}", self.name, std::process::id()));
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, self.path())
        };
        replace().map_err(|e: io::Error| self.failed("writing", &e))
    }

    /// A failure that names the file.
    pub fn failed(&self, what: &str, cause: &dyn Display) -> Failure {
        Failure::because(format!("{what} {}", self.path().display()), cause)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn folder_and_file_are_the_owners_alone() {
        let home = tempfile::tempdir().expect("a folder");
        let file = PrivateFile::new(&home.path().join("a/b"), "secrets");
        assert_eq!(file.read(), Ok(None));
        let lock = file.lock().expect("locked");
        file.replace("one").expect("written");
        file.replace("two").expect("replaced");
        drop(lock);
        assert_eq!(file.read(), Ok(Some("two".into())));
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!((mode(&home.path().join("a/b")), mode(&file.path())), (0o700, 0o600));
    }
}

//! The data directory: made with the right modes, held by one server at a time, with the keys that are not given.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use micro_serve::addresses::Addresses;
use secrecy::{ExposeSecret, SecretString};

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another server has it.
    #[error(
        "a micro server (process {pid}) serves from {path} already{at}. Use it as it is, stop it with `kill {pid}`, or \
         start another one with its own folder and ports: micro server --data-dir FOLDER --proxy-address :0 --api-address :0"
    )]
    Held {
        /// Its process.
        pid: String,
        /// The directory.
        path: PathBuf,
        /// Where it answers, as a part of the sentence.
        at: String,
    },
    /// The file system said no.
    #[error("{path}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The directory, ours until this is dropped.
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing and takes hold of it. As root it is 0711, so that instances under
    /// other uids reach their own folders in it; otherwise 0700.
    pub fn hold(path: &Path, root: bool) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io {
            path: path.to_owned(),
            source,
        };
        let mode = if root { 0o711 } else { 0o700 };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                lock.read_to_string(&mut pid).map_err(failed)?;
                return Err(DataDirError::Held {
                    pid: pid.trim().to_owned(),
                    path: path.to_owned(),
                    at: answers_at(path),
                });
            }
            Err(fs::TryLockError::Error(e)) => return Err(failed(e)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(failed)?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder of ours in it, 0700.
    pub fn private(&self, name: &str) -> Result<PathBuf, DataDirError> {
        let path = self.path.join(name);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map(|()| path.clone())
            .map_err(|source| DataDirError::Io { path, source })
    }

    /// The secret in this file, made on first use; 0600 from its first byte on.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> SecretString) -> Result<SecretString, DataDirError> {
        let path = self.private("keys")?.join(name);
        read_or_make(&path, make).map_err(|source| DataDirError::Io { path, source })
    }
}

/// Where the server of a data directory answers; nothing while it starts.
fn answers_at(path: &Path) -> String {
    let there = Addresses::read(path).ok().flatten();
    there.map_or_else(String::new, |at| {
        format!(", with command lines at {} and HTTP at http://{}", at.proxy, at.api)
    })
}

fn read_or_make(path: &Path, make: impl FnOnce() -> SecretString) -> io::Result<SecretString> {
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text.trim_end().into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    // A crash must not leave half a key: the whole file appears at once, or not at all.
    let secret = make();
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    writeln!(file, "{}", secret.expose_secret())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_holds_it_and_the_next_is_told_who() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("data");
        let held = DataDir::hold(&path, false).expect("free");
        assert_eq!(fs::metadata(&path).expect("made").permissions().mode() & 0o777, 0o700);
        let refused = DataDir::hold(&path, false).err().expect("held").to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(held);
        DataDir::hold(&path, true).expect("free again");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o711);
    }

    #[test]
    fn a_key_is_made_once_and_is_for_its_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = DataDir::hold(dir.path(), false).expect("free");
        let first = held.secret("signing", || "one".into()).expect("made");
        let again = held.secret("signing", || "two".into()).expect("read");
        assert_eq!((first.expose_secret(), again.expose_secret()), ("one", "one"));
        let mode = fs::metadata(dir.path().join("keys/signing"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

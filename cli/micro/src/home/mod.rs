//! `~/.micro`: what the CLI remembers between commands. Every file is replaced whole, under a lock that is a
//! file of its own, so that two terminals at once lose nothing (reference/micro-wire §4.3).

mod config;
mod tokens;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

pub use config::{Config, ConfigFile};
pub use tokens::{Token, TokenFile, token_key};

use crate::exit::{Failure, Result};

/// The folder.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// The folder of whoever runs this.
    pub fn of_user() -> Result<Self> {
        match std::env::home_dir() {
            Some(home) if !home.as_os_str().is_empty() => Ok(Self(home.join(".micro"))),
            _ => Err(Failure::plain("there is no home directory: set HOME")),
        }
    }

    /// `config.json`.
    pub fn config(&self) -> ConfigFile {
        ConfigFile::new(Guarded::new(&self.0, "config.json"))
    }

    /// `tokens`.
    pub fn tokens(&self) -> TokenFile {
        TokenFile::new(Guarded::new(&self.0, "tokens"))
    }

    #[cfg(test)]
    fn at(folder: &Path) -> Self {
        Self(folder.join(".micro"))
    }
}

/// One file that is read whole and replaced whole.
#[derive(Clone, Debug)]
pub struct Guarded {
    folder: PathBuf,
    name: &'static str,
}

impl Guarded {
    fn new(folder: &Path, name: &'static str) -> Self {
        Self {
            folder: folder.to_owned(),
            name,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// Waits until nobody else changes the file. The lock goes with the answer.
    fn lock(&self) -> Result<File> {
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
    fn read(&self) -> Result<Option<String>> {
        match fs::read_to_string(self.path()) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed("reading", &e)),
        }
    }

    /// Replaces it, readable by its owner only. Call it with the lock held.
    fn replace(&self, text: &str) -> Result<()> {
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

    fn failed(&self, what: &str, cause: &dyn std::fmt::Display) -> Failure {
        Failure::because(format!("{what} {}", self.path().display()), cause)
    }
}

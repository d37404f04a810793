//! `~/.micro`: what the CLI remembers between commands (reference/micro-wire §4.3).

mod config;
mod tokens;

use std::path::PathBuf;

use micro_terminal::PrivateFile;

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
        ConfigFile::new(PrivateFile::new(&self.0, "config.json"))
    }

    /// `tokens`.
    pub fn tokens(&self) -> TokenFile {
        TokenFile::new(PrivateFile::new(&self.0, "tokens"))
    }

    #[cfg(test)]
    fn at(folder: &std::path::Path) -> Self {
        Self(folder.join(".micro"))
    }
}

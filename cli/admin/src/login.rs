//! `~/.micro/admin.json`: the token of each platform's operators' door.

use std::collections::BTreeMap;

use micro_terminal::PrivateFile;
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

/// What a login leaves behind.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// Goes with every call.
    pub token: String,
    /// Unix seconds.
    pub expires_at: i64,
    /// Who.
    pub operator: String,
    /// As what.
    pub role: String,
}

/// The file.
pub struct Logins(PrivateFile);

impl Logins {
    /// Of whoever runs this.
    pub fn of_user() -> Result<Self> {
        match std::env::home_dir() {
            Some(home) if !home.as_os_str().is_empty() => {
                Ok(Self(PrivateFile::new(&home.join(".micro"), "admin.json")))
            }
            _ => Err(Failure::plain("there is no home directory: set HOME")),
        }
    }

    /// The login at an address, if there is one.
    pub fn find(&self, address: &str) -> Result<Option<Login>> {
        Ok(self.all()?.remove(address))
    }

    /// Remembers a login.
    pub fn put(&self, address: &str, login: Login) -> Result<()> {
        let _lock = self.0.lock()?;
        let mut all = self.all()?;
        all.insert(address.to_owned(), login);
        let text = serde_json::to_string(&all).map_err(|e| Failure::because("writing JSON", e))?;
        self.0.replace(&text)
    }

    fn all(&self) -> Result<BTreeMap<String, Login>> {
        match self.0.read()? {
            Some(text) => serde_json::from_str(&text).map_err(|e| self.0.failed("reading", &e)),
            None => Ok(BTreeMap::new()),
        }
    }
}

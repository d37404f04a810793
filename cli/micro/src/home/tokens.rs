//! `tokens`: one line a login, `micro://ADDRESS/NAMESPACE/ACCOUNT:` and the token as base64 of JSON.

use std::fs::File;

use base64::{Engine, prelude::BASE64_STANDARD};
use micro_terminal::PrivateFile;
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

/// What a login leaves behind. Times are unix seconds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Sent with every call.
    pub access_token: String,
    /// Good for the next access token, once.
    #[serde(default)]
    pub refresh_token: String,
    /// When it was made.
    #[serde(default)]
    pub created: i64,
    /// When it stops being good.
    #[serde(default)]
    pub expiry: i64,
}

/// The file.
#[derive(Clone, Debug)]
pub struct TokenFile(PrivateFile);

/// The file while nobody else may change it.
pub struct Locked<'f> {
    file: &'f TokenFile,
    _lock: File,
}

/// Whose token it is: an account in a namespace at an address.
pub fn token_key(address: &str, namespace: &str, account: &str) -> String {
    format!("micro://{address}/{namespace}/{account}")
}

impl TokenFile {
    pub(super) fn new(file: PrivateFile) -> Self {
        Self(file)
    }

    /// The token of a key, if there is one.
    pub fn find(&self, key: &str) -> Result<Option<Token>> {
        let text = self.0.read()?.unwrap_or_default();
        let line = entries(&text).find(|(k, _)| *k == key);
        line.map(|(_, value)| decode(value).ok_or_else(|| self.0.failed("reading", &"an entry is damaged")))
            .transpose()
    }

    /// Waits for its turn to change the file.
    pub fn lock(&self) -> Result<Locked<'_>> {
        Ok(Locked {
            file: self,
            _lock: self.0.lock()?,
        })
    }
}

impl Locked<'_> {
    /// The token of a key, as it is now.
    pub fn find(&self, key: &str) -> Result<Option<Token>> {
        self.file.find(key)
    }

    /// Puts a token in place of the key's last one.
    pub fn put(&self, key: &str, token: &Token) -> Result<()> {
        let json = serde_json::to_vec(token).map_err(|e| Failure::because("writing JSON", e))?;
        self.rewrite(key, Some(BASE64_STANDARD.encode(json)))
    }

    /// Removes a key's token.
    pub fn remove(&self, key: &str) -> Result<()> {
        self.rewrite(key, None)
    }

    fn rewrite(&self, key: &str, value: Option<String>) -> Result<()> {
        let text = self.file.0.read()?.unwrap_or_default();
        let others = entries(&text)
            .filter(|(k, _)| *k != key)
            .map(|(k, v)| format!("{k}:{v}\n"));
        let fresh = value.map(|v| format!("{key}:{v}\n"));
        self.file.0.replace(&others.chain(fresh).collect::<String>())
    }
}

/// The last colon parts key and value: addresses have colons, base64 has none.
fn entries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.rsplit_once(':'))
}

fn decode(value: &str) -> Option<Token> {
    serde_json::from_slice(&BASE64_STANDARD.decode(value.trim()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;

    #[test]
    fn a_token_is_kept_per_address_namespace_and_account() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Home::at(folder.path()).tokens();
        let token = |access: &str| Token {
            access_token: access.into(),
            refresh_token: "r".into(),
            created: 1,
            expiry: 2,
        };
        let (home, other) = (
            token_key("127.0.0.1:8081", "micro", "ada"),
            token_key("127.0.0.1:8081", "micro", "bob"),
        );
        assert!(file.find(&home).expect("no file yet").is_none());
        let locked = file.lock().expect("locked");
        locked.put(&home, &token("first")).expect("put");
        locked.put(&other, &token("bobs")).expect("put");
        locked.put(&home, &token("second")).expect("put");
        assert!(locked.find(&home).expect("read") == Some(token("second")));
        locked.remove(&home).expect("removed");
        assert!(file.find(&home).expect("read").is_none());
        assert!(file.find(&other).expect("read") == Some(token("bobs")));
    }

    #[test]
    fn the_line_is_micros() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Home::at(folder.path()).tokens();
        let token = Token {
            access_token: "a".into(),
            refresh_token: "r".into(),
            created: 1,
            expiry: 2,
        };
        file.lock()
            .expect("locked")
            .put(&token_key("h:1", "ns", "id"), &token)
            .expect("put");
        let text = std::fs::read_to_string(folder.path().join(".micro/tokens")).expect("written");
        let json = BASE64_STANDARD.encode(r#"{"access_token":"a","refresh_token":"r","created":1,"expiry":2}"#);
        assert_eq!(text, format!("micro://h:1/ns/id:{json}\n"));
    }
}

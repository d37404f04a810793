//! `config.json`: nested objects of strings, addressed by dotted paths (`namespaces.home.current`).

use micro_terminal::PrivateFile;
use serde_json::{Map, Value, json};

use crate::exit::{Failure, Result};

/// The file.
#[derive(Clone, Debug)]
pub struct ConfigFile(PrivateFile);

/// What it said when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Config(Map<String, Value>);

impl ConfigFile {
    pub(super) fn new(file: PrivateFile) -> Self {
        Self(file)
    }

    /// Reads it; what a new user has if there is none yet.
    pub fn load(&self) -> Result<Config> {
        let Some(text) = self.0.read()?.filter(|t| !t.trim().is_empty()) else {
            return Ok(Config::default());
        };
        match serde_json::from_str(&text) {
            Ok(Value::Object(map)) => Ok(Config(map)),
            Ok(_) => Err(self.0.failed("reading", &"it is not a JSON object")),
            Err(e) => Err(self.0.failed("reading", &e)),
        }
    }

    /// Changes it while nobody else does.
    pub fn change(&self, change: impl FnOnce(&mut Config) -> Result<()>) -> Result<()> {
        let _lock = self.0.lock()?;
        let mut config = self.load()?;
        change(&mut config)?;
        let text = serde_json::to_string(&config.0).map_err(|e| Failure::because("writing JSON", e))?;
        self.0.replace(&text)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self(Map::from_iter([("env".to_owned(), json!("local"))]))
    }
}

impl Config {
    /// The value of a path, as text; objects as JSON.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut parts = path.split('.');
        let first = self.0.get(parts.next()?)?;
        match parts.try_fold(first, |value, part| value.get(part))? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// Sets a path, making the objects on its way.
    pub fn set(&mut self, path: &str, value: &str) -> Result<()> {
        let (way, last) = path.rsplit_once('.').map_or((None, path), |(w, l)| (Some(w), l));
        if path.split('.').any(str::is_empty) {
            return Err(Failure::plain("the key is blank, or a part of it is"));
        }
        let mut at = &mut self.0;
        for part in way.into_iter().flat_map(|w| w.split('.')) {
            let next = at.entry(part).or_insert_with(|| Value::Object(Map::new()));
            at = next
                .as_object_mut()
                .ok_or_else(|| Failure::plain(format!("{part:?} of {path:?} is a value and holds no others")))?;
        }
        at.insert(last.to_owned(), json!(value));
        Ok(())
    }

    /// Removes a path, if it is there.
    pub fn delete(&mut self, path: &str) {
        let (way, last) = path.rsplit_once('.').map_or((None, path), |(w, l)| (Some(w), l));
        let mut at = Some(&mut self.0);
        for part in way.into_iter().flat_map(|w| w.split('.')) {
            at = at.and_then(|map| map.get_mut(part)?.as_object_mut());
        }
        if let Some(map) = at {
            map.remove(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::home::Home;

    #[test]
    fn paths_nest_and_siblings_stay() {
        let mut config = Config::default();
        config.set("namespaces.home.current", "amber-otter-drift").expect("set");
        config.set("namespaces.home.all", "a,b").expect("set");
        config.delete("namespaces.home.all");
        config.delete("not.there");
        assert_eq!(
            config.get("namespaces.home.current").as_deref(),
            Some("amber-otter-drift")
        );
        assert_eq!(
            config.get("namespaces.home").as_deref(),
            Some(r#"{"current":"amber-otter-drift"}"#)
        );
        assert_eq!(config.get("namespaces.home.all"), None);
        assert!(
            config.set("env.current-user", "ada").is_err(),
            "a value holds no others"
        );
        assert!(config.set("a..b", "x").is_err());
    }

    #[test]
    fn a_new_user_starts_locally_and_files_are_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Home::at(folder.path()).config();
        assert_eq!(file.load().expect("none yet").get("env").as_deref(), Some("local"));
        file.change(|c| c.set("env", "home")).expect("changed");
        assert_eq!(file.load().expect("written").get("env").as_deref(), Some("home"));
        let mode = |name: &str| {
            std::fs::metadata(folder.path().join(name))
                .expect("is there")
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode(".micro"), mode(".micro/config.json")), (0o700, 0o600));
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        std::thread::scope(|scope| {
            for n in 0..8 {
                let file = home.config();
                scope.spawn(move || file.change(|c| c.set(&format!("k.n{n}"), "x")).expect("changed"));
            }
        });
        let config = home.config().load().expect("whole");
        assert!((0..8).all(|n| config.get(&format!("k.n{n}")).is_some()));
    }

    #[test]
    fn a_damaged_file_is_named_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".micro")).expect("made");
        std::fs::write(folder.path().join(".micro/config.json"), "{\"env\":").expect("written");
        let failure = Home::at(folder.path())
            .config()
            .change(|c| c.set("a", "b"))
            .expect_err("damaged");
        assert!(failure.message.contains("config.json"), "{}", failure.message);
    }
}

//! Finds the newest installed server, or the one whose data is already there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::PostgresError;

/// A directory with `postgres` and `initdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    directory: PathBuf,
    major: u32,
}

impl Binaries {
    /// Looks in `given` only, if given. With existing data only the version that wrote it will do.
    pub fn find(given: Option<&Path>, written_by: Option<(u32, &Path)>) -> Result<Self, PostgresError> {
        let candidates = match given {
            Some(directory) => vec![directory.to_owned()],
            None => usual_places(),
        };
        // Most often the path alone says where the right one is: no program has to be asked for its version.
        let said = |wanted| {
            let mut places = candidates.iter().filter(|place| version_in_path(place) == Some(wanted));
            places.find_map(|place| Self::at(place.clone()))
        };
        if let Some(known) = written_by.and_then(|(wanted, _)| said(wanted)) {
            return Ok(known);
        }
        let mut found: Vec<Self> = candidates.into_iter().filter_map(Self::at).collect();
        found.sort_by_key(|binaries| binaries.major);
        let newest = found
            .last()
            .cloned()
            .ok_or_else(|| PostgresError::Missing(given.map(Path::to_owned)))?;
        match written_by {
            None => Ok(newest),
            Some((wanted, directory)) => found
                .into_iter()
                .find(|binaries| binaries.major == wanted)
                .ok_or_else(|| PostgresError::Version {
                    directory: directory.to_owned(),
                    wanted,
                }),
        }
    }

    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.directory.join(name));
        // Nothing of our environment reaches the server: PGOPTIONS and its kin would change what it does.
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        command
    }

    fn at(directory: PathBuf) -> Option<Self> {
        let postgres = directory.join("postgres");
        if !postgres.is_file() || !directory.join("initdb").is_file() {
            return None;
        }
        let major = match version_in_path(&directory) {
            Some(major) => major,
            None => {
                let out = Command::new(postgres).arg("--version").env_clear().output().ok()?;
                version_in_words(&String::from_utf8_lossy(&out.stdout))?
            }
        };
        Some(Self { directory, major })
    }
}

/// Distributions' own places, macOS's, then `PATH`.
fn usual_places() -> Vec<PathBuf> {
    let below = |folder: &str, prefix: &str, bin: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        named.map(|entry| entry.path().join(bin)).collect()
    };
    let mut places = below("/usr/lib/postgresql", "", "bin");
    places.extend(below("/usr", "pgsql-", "bin"));
    places.extend(below("/opt/homebrew/opt", "postgresql", "bin"));
    places.extend(below("/usr/local/opt", "postgresql", "bin"));
    places.extend(below("/Applications/Postgres.app/Contents/Versions", "", "bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path));
    places
}

/// `/usr/lib/postgresql/15/bin` says it without running anything.
fn version_in_path(directory: &Path) -> Option<u32> {
    directory.parent()?.file_name()?.to_str()?.parse().ok()
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-1)`.
fn version_in_words(words: &str) -> Option<u32> {
    let number = words
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_paths_and_words() {
        assert_eq!(version_in_path(Path::new("/usr/lib/postgresql/15/bin")), Some(15));
        assert_eq!(version_in_path(Path::new("/usr/bin")), None);
        assert_eq!(
            version_in_words("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(version_in_words("postgres (PostgreSQL) 19devel"), Some(19));
    }

    #[test]
    fn where_nothing_is_installed_the_error_says_how_to_install_it() {
        let empty = Path::new("/nonexistent/bin");
        let error = Binaries::find(Some(empty), None)
            .expect_err("nothing there")
            .to_string();
        assert!(
            error.contains("/nonexistent/bin") && error.contains("install"),
            "{error}"
        );
    }
}

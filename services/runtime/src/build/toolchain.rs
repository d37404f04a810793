//! The compilers of this machine, and how builds find them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
};

/// Where the Rust toolchain is inside a sandbox.
pub(crate) const RUST: &str = "/toolchains/rust";
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Compilers and the operator's own environment for them.
#[derive(Clone, Debug, Default)]
pub struct Toolchains {
    given: Vec<PathBuf>,
    rust: Arc<OnceLock<PathBuf>>,
    /// The operator's own variables (PATH, HOME, CARGO_HOME, RUSTUP_HOME, proxies): for unconfined builds and for
    /// fetching the SDK's dependencies. Never seen by a confined build.
    pub operator: Vec<(String, String)>,
}

/// What is taken over of an operator's environment.
const OPERATOR: &[&str] = &[
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "TMPDIR",
];

impl Toolchains {
    /// Those in the folders given, then those of the operator's `PATH`. They are looked for when the first is needed:
    /// no server should start later for a build that may never come.
    pub fn new(given: &[PathBuf], environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let operator: Vec<(String, String)> = environment
            .into_iter()
            .filter(|(name, _)| OPERATOR.contains(&name.as_str()) || name.starts_with("CARGO_REGISTR"))
            .collect();
        Self {
            given: given.to_owned(),
            rust: Arc::default(),
            operator,
        }
    }

    /// A Rust toolchain: the folder of `bin/cargo` and `lib`. The first look may ask the `rustc` of the `PATH` where it
    /// lives. Where there is none it is looked for again: somebody may be installing it.
    pub async fn rust(&self) -> Option<PathBuf> {
        if let Some(found) = self.rust.get() {
            return Some(found.clone());
        }
        let this = self.clone();
        let looked = tokio::task::spawn_blocking(move || this.look()).await;
        let found = looked.ok().flatten()?;
        Some(self.rust.get_or_init(|| found).clone())
    }

    fn look(&self) -> Option<PathBuf> {
        let given = self.given.iter().find_map(|folder| rust_in(folder));
        given.or_else(|| rust_in(&sysroot(&self.operator)?))
    }

    /// What every build starts with.
    pub(crate) fn environment(&self, confined: bool) -> Vec<(String, String)> {
        if !confined {
            return self.operator.clone();
        }
        let path = format!("{RUST}/bin:{SYSTEM_PATH}");
        [("PATH", path.as_str()), ("HOME", "/tmp"), ("LANG", "C.UTF-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// What every service starts with.
    pub(crate) fn service_environment(&self, confined: bool) -> Vec<(String, String)> {
        let operators_path = self
            .operator
            .iter()
            .find(|(name, _)| name == "PATH")
            .filter(|_| !confined);
        let path = operators_path.map_or(SYSTEM_PATH, |(_, path)| path);
        [("PATH", path), ("HOME", "/tmp"), ("LANG", "C.UTF-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }
}

/// The toolchain at or in a folder, without links in its path.
fn rust_in(folder: &Path) -> Option<PathBuf> {
    let here = |folder: &Path| folder.join("bin/cargo").is_file() && folder.join("bin/rustc").is_file();
    let found = if here(folder) {
        folder.to_owned()
    } else {
        let mut below: Vec<PathBuf> = folder.read_dir().ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
        below.sort();
        below.into_iter().find(|folder| here(folder))?
    };
    found.canonicalize().ok()
}

fn sysroot(operator: &[(String, String)]) -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .env_clear()
        .envs(operator.iter().cloned())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_toolchain_is_found_at_or_in_a_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let bin = root.path().join("stable/bin");
        std::fs::create_dir_all(&bin).expect("a folder");
        for program in ["cargo", "rustc"] {
            std::fs::write(bin.join(program), "").expect("a file");
        }
        let expected = root.path().join("stable").canonicalize().expect("there");
        for given in [root.path().to_owned(), root.path().join("stable")] {
            assert_eq!(Toolchains::new(&[given], []).rust().await, Some(expected.clone()));
        }
    }

    #[test]
    fn only_the_listed_variables_are_taken_over() {
        let given = [
            ("PATH", "/bin"),
            ("DATABASE_URL", "postgres://secret"),
            ("CARGO_HOME", "/c"),
        ];
        let found = Toolchains::new(&[], given.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(found.operator.len(), 2);
        assert!(!format!("{:?}", found.environment(true)).contains("/c\""));
    }
}

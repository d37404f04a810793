//! What `micro run` and `micro update` are given: a folder of this machine, or a git repository anywhere
//! (reference/micro-wire §4.8, §6.2).

use std::path::{Path, PathBuf};

use crate::{
    ctx::Ctx,
    envs::Env,
    exit::{Failure, Result},
    home::Config,
};

/// Where a short name is looked for, unless configured.
const DEFAULT_BASE: &str = "github.com/micro/services";
/// The version of what names none.
const LATEST: &str = "latest";

/// Where source code comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder here: `root` is uploaded, the service lies in `entrypoint` of it.
    Local {
        /// As an absolute path: what `micro status` shows.
        folder: PathBuf,
        /// What is uploaded.
        root: PathBuf,
        /// The way from root to folder, empty where they are the same.
        entrypoint: String,
    },
    /// A repository that the server fetches.
    Git {
        /// Without the reference.
        address: String,
        /// Branch, tag or commit.
        reference: String,
    },
}

impl Source {
    /// Reads what the person typed.
    pub fn parse(typed: &str, env: &Env, config: &Config) -> Result<Self> {
        if typed.trim().is_empty() {
            return Err(Failure::plain("say what: a folder, or a git address"));
        }
        let path = Path::new(typed);
        if path.is_dir() {
            return Self::local(path);
        }
        if path.is_absolute() || typed.starts_with("./") || typed.starts_with("../") || typed == "." || typed == ".." {
            return Err(Failure::plain(format!("there is no folder {typed}")));
        }
        let (address, reference) = split_reference(typed);
        let address = match is_full(address) {
            true => address.to_owned(),
            false => format!("{}/{address}", base(env, config)),
        };
        Ok(Self::Git {
            address,
            reference: reference.unwrap_or(LATEST).to_owned(),
        })
    }

    fn local(path: &Path) -> Result<Self> {
        let folder = path
            .canonicalize()
            .map_err(|e| Failure::because(format!("reading {}", path.display()), e))?;
        let root = root_of(&folder);
        let entrypoint = folder
            .strip_prefix(&root)
            .map(|p| p.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(Self::Local {
            folder,
            root,
            entrypoint,
        })
    }

    /// The name that the service gets unless told otherwise: the last folder's.
    pub fn name(&self) -> Result<String> {
        let name = match self {
            Self::Local { folder, .. } => folder.file_name().map(|n| n.to_string_lossy().into_owned()),
            Self::Git { address, .. } => last_part(address).map(str::to_owned),
        };
        name.filter(|n| !n.is_empty())
            .ok_or_else(|| Failure::plain("the source has no name: pass --name"))
    }

    /// The version that the service gets.
    pub fn version(&self) -> &str {
        match self {
            Self::Local { .. } => LATEST,
            Self::Git { reference, .. } => reference,
        }
    }

    /// What the server fetches: a repository with its reference, unless that could be read as a folder.
    pub fn address(&self) -> String {
        match self {
            Self::Git { address, reference } if reference != LATEST && !reference.contains('/') => {
                format!("{address}@{reference}")
            }
            _ => self.shown(),
        }
    }

    /// What `micro status` shows as its source.
    pub fn shown(&self) -> String {
        match self {
            Self::Local { folder, .. } => folder.to_string_lossy().into_owned(),
            Self::Git { address, .. } => address.clone(),
        }
    }

    /// The credentials that were configured for a repository's host: `micro user config set git.credentials.github TOKEN`.
    pub fn credentials(&self, ctx: &Ctx) -> Result<Option<String>> {
        let Self::Git { address, .. } = self else {
            return Ok(None);
        };
        let config = ctx.config()?;
        let host = without_scheme(address).split('/').next().unwrap_or_default();
        let own = config
            .get("git.credentials.url")
            .filter(|url| without_scheme(url).split('/').next() == Some(host));
        let key = match host {
            _ if own.is_some() => "git.credentials.token",
            "github.com" => "git.credentials.github",
            "gitlab.com" => "git.credentials.gitlab",
            "bitbucket.org" => "git.credentials.bitbucket",
            _ => return Ok(None),
        };
        Ok(config.get(key).filter(|t| !t.is_empty()))
    }
}

/// A running service as people name it: `greeter`, `greeter@v1`, or what it was run from.
pub fn split_reference(typed: &str) -> (&str, Option<&str>) {
    let path_at = match typed.find("://") {
        Some(scheme) => scheme + 3 + typed[scheme + 3..].find('/').unwrap_or(0),
        None => 0,
    };
    match typed[path_at..].split_once('@') {
        Some((before, reference)) if !reference.is_empty() => (&typed[..path_at + before.len()], Some(reference)),
        _ => (typed, None),
    }
}

/// The last part of a repository's address, without `.git`.
pub fn last_part(address: &str) -> Option<&str> {
    let path = without_scheme(address).trim_end_matches('/');
    path.rsplit('/').next().map(|n| n.strip_suffix(".git").unwrap_or(n))
}

fn without_scheme(address: &str) -> &str {
    address.split_once("://").map_or(address, |(_, rest)| rest)
}

/// Whether an address begins with a host: with a scheme, or a word that has a dot or a port.
fn is_full(address: &str) -> bool {
    let host = address.split('/').next().unwrap_or_default();
    address.contains("://")
        || (address.contains('/') && (host.contains('.') || host.contains(':') || host == "localhost"))
}

fn base(env: &Env, config: &Config) -> String {
    let keys = [format!("git.{}.baseurl", env.name), "git.baseurl".to_owned()];
    keys.iter()
        .find_map(|k| config.get(k))
        .filter(|b| !b.is_empty())
        .unwrap_or_else(|| DEFAULT_BASE.into())
}

/// What must be uploaded for a folder to build: the folder, or the Go module that it is a part of.
fn root_of(folder: &Path) -> PathBuf {
    const STANDS_ALONE: [&str; 7] = [
        "go.mod",
        "Cargo.toml",
        "package.json",
        "pyproject.toml",
        "requirements.txt",
        "micro.toml",
        "Procfile",
    ];
    let has_go = || {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|e| e.path().extension().is_some_and(|x| x == "go"))
    };
    if STANDS_ALONE.iter().any(|f| folder.join(f).exists()) || !has_go() {
        return folder.to_owned();
    }
    folder
        .ancestors()
        .find(|a| a.join("go.mod").exists())
        .unwrap_or(folder)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(typed: &str, config: &Config) -> (String, String, String) {
        let env = crate::envs::get(config, "local").expect("built in");
        let source = Source::parse(typed, &env, config).expect("a source");
        (
            source.shown(),
            source.version().to_owned(),
            source.name().expect("a name"),
        )
    }

    #[test]
    fn nothing_is_no_source() {
        let config = Config::default();
        let env = crate::envs::get(&config, "local").expect("built in");
        for typed in ["", " "] {
            assert!(Source::parse(typed, &env, &config).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn git_addresses_come_apart() {
        let table = [
            (
                "github.com/micro/services/helloworld",
                "github.com/micro/services/helloworld",
                "latest",
                "helloworld",
            ),
            (
                "github.com/micro/helloworld@v1",
                "github.com/micro/helloworld",
                "v1",
                "helloworld",
            ),
            (
                "http://127.0.0.1:3000/greeter.git",
                "http://127.0.0.1:3000/greeter.git",
                "latest",
                "greeter",
            ),
            (
                "http://127.0.0.1:3000/ada/greeter.git@feature/x",
                "http://127.0.0.1:3000/ada/greeter.git",
                "feature/x",
                "greeter",
            ),
            (
                "https://me@git.example.com/a/b.git@9342934",
                "https://me@git.example.com/a/b.git",
                "9342934",
                "b",
            ),
            ("localhost:3000/a/b", "localhost:3000/a/b", "latest", "b"),
            (
                "helloworld@9342934e6180",
                "github.com/micro/services/helloworld",
                "9342934e6180",
                "helloworld",
            ),
        ];
        for (typed, address, version, name) in table {
            assert_eq!(
                git(typed, &Config::default()),
                (address.into(), version.into(), name.into()),
                "{typed}"
            );
        }
    }

    #[test]
    fn short_names_follow_the_configured_base() {
        let mut config = Config::default();
        config.set("git.baseurl", "git.example.com/ours").expect("set");
        assert_eq!(git("hello", &config).0, "git.example.com/ours/hello");
        config.set("git.local.baseurl", "git.example.com/local").expect("set");
        assert_eq!(git("hello", &config).0, "git.example.com/local/hello");
    }

    #[test]
    fn a_folder_stands_alone_unless_it_is_part_of_a_go_module() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |p: &str| folder.path().join(p);
        std::fs::create_dir_all(at("mod/cmd")).expect("made");
        std::fs::create_dir_all(at("mod/rust")).expect("made");
        for file in ["mod/go.mod", "mod/cmd/main.go", "mod/rust/Cargo.toml"] {
            std::fs::write(at(file), "").expect("written");
        }
        let part = Source::local(&at("mod/cmd")).expect("a source");
        assert!(
            matches!(&part, Source::Local { root, entrypoint, .. } if root.ends_with("mod") && entrypoint == "cmd")
        );
        let alone = Source::local(&at("mod/rust")).expect("a source");
        assert!(
            matches!(&alone, Source::Local { root, entrypoint, .. } if root.ends_with("rust") && entrypoint.is_empty())
        );
        assert_eq!(alone.name().as_deref(), Ok("rust"));
    }

    #[test]
    fn a_missing_folder_is_not_taken_for_a_repository() {
        let env = crate::envs::get(&Config::default(), "local").expect("built in");
        for typed in ["./nope", "../nope", "/nope/nope"] {
            assert!(Source::parse(typed, &env, &Config::default()).is_err(), "{typed}");
        }
    }
}

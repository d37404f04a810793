//! From files to a plan: which language this is, how it is built and what starts it.

use std::{fs, io, path::Path};

use serde::Deserialize;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The entrypoint is not in the source.
    #[error("the source has no folder {0:?}")]
    NoFolder(String),
    /// Known, but not built here.
    #[error("not built yet on this platform: language {0}; supported: rust, or a micro.toml with a command")]
    Language(&'static str),
    /// Nothing to go by.
    #[error("nothing here says how to run it: add a Cargo.toml, or a micro.toml with a command")]
    Unknown,
    /// A file that must be read cannot be.
    #[error("{file}: {reason}")]
    BadFile {
        /// Which, relative to the source.
        file: &'static str,
        /// What is wrong, in words for its author.
        reason: String,
    },
    /// Several programs, or none.
    #[error("Cargo.toml: {0}")]
    Binary(String),
    /// Our own disk.
    #[error("reading the source failed")]
    Disk(#[source] io::Error),
}

/// How a source becomes a running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What makes it.
    pub build: Build,
    /// What starts it, in the artifact's folder.
    pub command: Vec<String>,
}

/// What makes an artifact of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// Nothing: the source is the artifact.
    Nothing,
    /// A command of the author's own, in the source; afterwards the source is the artifact.
    Command(Vec<String>),
    /// `cargo build --bin`: the program is the artifact.
    Rust {
        /// Which program.
        bin: String,
        /// Whether any manifest here asks for our SDK.
        sdk: bool,
    },
}

/// What a Rust program is called inside its artifact.
pub const PROGRAM: &str = "service";

/// Files that tell languages we do not build yet.
const LATER: &[(&str, &str)] = &[
    ("go.mod", "go"),
    ("package.json", "node"),
    ("pyproject.toml", "python"),
    ("requirements.txt", "python"),
    ("pom.xml", "java"),
    ("build.gradle", "java"),
];

/// A command as people write it: words, or one line for the shell.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Command {
    Line(String),
    Words(Vec<String>),
}

impl Command {
    fn words(self) -> Vec<String> {
        match self {
            Self::Line(line) => vec!["/bin/sh".into(), "-c".into(), line],
            Self::Words(words) => words,
        }
    }
}

/// `micro.toml`: overrides what is detected.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MicroToml {
    /// Read by the CLI.
    #[serde(rename = "name")]
    _name: Option<String>,
    command: Option<Command>,
    build: Option<Command>,
    /// Which program of a Rust package.
    bin: Option<String>,
}

/// Plans the source unpacked at `root`; `entrypoint` is a folder in it. Nobody else may be writing there.
pub fn plan(root: &Path, entrypoint: &str) -> Result<Plan, PlanError> {
    let folder = root.join(entrypoint);
    if !folder.is_dir() {
        return Err(PlanError::NoFolder(entrypoint.to_owned()));
    }
    let own: MicroToml = match read(&folder, "micro.toml")? {
        Some(text) => parse("micro.toml", &text)?,
        None => MicroToml::default(),
    };
    let command = own.command.map(Command::words);
    if let Some([]) = command.as_deref() {
        return Err(PlanError::BadFile {
            file: "micro.toml",
            reason: "command is empty".into(),
        });
    }
    if let Some(build) = own.build {
        let command = command.ok_or_else(|| PlanError::BadFile {
            file: "micro.toml",
            reason: "a build needs a command that starts what it made".into(),
        })?;
        return Ok(Plan {
            build: Build::Command(build.words()),
            command,
        });
    }
    if let Some(manifest) = read(&folder, "Cargo.toml")? {
        let bin = match own.bin {
            Some(bin) => bin,
            None => binary(&folder, parse("Cargo.toml", &manifest)?)?,
        };
        if !valid_binary(&bin) {
            return Err(PlanError::Binary(format!("{bin:?} cannot be the name of a program")));
        }
        let sdk = wants_sdk(root)?;
        let command = command.unwrap_or_else(|| vec![format!("./{PROGRAM}")]);
        return Ok(Plan {
            build: Build::Rust { bin, sdk },
            command,
        });
    }
    if let Some(command) = command {
        return Ok(Plan {
            build: Build::Nothing,
            command,
        });
    }
    for (file, language) in LATER {
        if folder.join(file).is_file() {
            return Err(PlanError::Language(language));
        }
    }
    Err(PlanError::Unknown)
}

fn read(folder: &Path, file: &'static str) -> Result<Option<String>, PlanError> {
    match fs::read(folder.join(file)) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| PlanError::BadFile {
            file,
            reason: "is not UTF-8 text".into(),
        }),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => Ok(None),
        Err(e) => Err(PlanError::Disk(e)),
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &'static str, text: &str) -> Result<T, PlanError> {
    toml::from_str(text).map_err(|e| PlanError::BadFile {
        file,
        reason: e.to_string().trim().to_owned(),
    })
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
    #[serde(default)]
    bin: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    default_run: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The one program of a package, as cargo itself would find it.
fn binary(folder: &Path, manifest: Manifest) -> Result<String, PlanError> {
    let package = manifest
        .package
        .ok_or_else(|| PlanError::Binary("this is a workspace, not a package: name the package's folder".into()))?;
    if let Some(name) = package.default_run {
        return Ok(name);
    }
    let mut names: Vec<String> = manifest.bin.into_iter().map(|target| target.name).collect();
    if folder.join("src/main.rs").is_file() && !names.contains(&package.name) && names.is_empty() {
        names.push(package.name.clone());
    }
    names.extend(programs(&folder.join("src/bin"))?);
    names.sort();
    names.dedup();
    match names.as_slice() {
        [] => Err(PlanError::Binary("the package has no program: add src/main.rs".into())),
        [one] => Ok(one.clone()),
        many if many.contains(&package.name) => Ok(package.name),
        many => Err(PlanError::Binary(format!(
            "the package has several programs ({}): choose one with default-run, or with bin in micro.toml",
            many.join(", ")
        ))),
    }
}

fn programs(folder: &Path) -> Result<Vec<String>, PlanError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(PlanError::Disk(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(PlanError::Disk)?.path();
        let program = path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file();
        if let (true, Some(name)) = (program, path.file_stem().and_then(|n| n.to_str())) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn valid_binary(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether a manifest anywhere in the source names our SDK: a patch that nothing uses is a warning of cargo's.
fn wants_sdk(folder: &Path) -> Result<bool, PlanError> {
    for entry in fs::read_dir(folder).map_err(PlanError::Disk)? {
        let path = entry.map_err(PlanError::Disk)?.path();
        let skip = path
            .file_name()
            .is_some_and(|name| name == "vendor" || name == "target");
        if path.is_dir() && !skip {
            if wants_sdk(&path)? {
                return Ok(true);
            }
        } else if path.ends_with("Cargo.toml") {
            let manifest = fs::read(&path).map_err(PlanError::Disk)?;
            if String::from_utf8_lossy(&manifest).contains("micro-sdk") {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files<'f> = &'f [(&'f str, &'f str)];

    fn planned(files: Files<'_>, entrypoint: &str) -> Result<Plan, PlanError> {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("has one")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        plan(root.path(), entrypoint)
    }

    const PACKAGE: &str = "[package]\nname = \"greeter\"\nversion = \"0.1.0\"\n";

    #[test]
    fn rust_is_known_by_its_manifest() {
        let rust = |bin: &str, sdk| Build::Rust { bin: bin.into(), sdk };
        let service = vec!["./service".to_owned()];
        let with_sdk = format!("{PACKAGE}default-run = \"x\"\n[dependencies]\nmicro-sdk = \"0.1\"\n");
        let named = format!("{PACKAGE}[[bin]]\nname = \"named\"\npath = \"src/main.rs\"\n");
        let (with_sdk, named) = (
            [("Cargo.toml", with_sdk.as_str())],
            [("Cargo.toml", named.as_str()), ("src/main.rs", "")],
        );
        let table: Vec<(Files<'_>, &str, Build)> = vec![
            (&with_sdk, "", rust("x", true)),
            (&named, "", rust("named", false)),
            (
                &[("Cargo.toml", PACKAGE), ("src/main.rs", "")],
                "",
                rust("greeter", false),
            ),
            (
                &[("a/b/Cargo.toml", PACKAGE), ("a/b/src/main.rs", "")],
                "a/b",
                rust("greeter", false),
            ),
            (
                &[("Cargo.toml", PACKAGE), ("src/bin/other.rs", "")],
                "",
                rust("other", false),
            ),
            (
                &[("Cargo.toml", PACKAGE), ("src/main.rs", ""), ("src/bin/other.rs", "")],
                "",
                rust("greeter", false),
            ),
        ];
        for (files, entrypoint, build) in table {
            assert_eq!(
                planned(files, entrypoint).expect("a plan"),
                Plan {
                    build,
                    command: service.clone()
                }
            );
        }
    }

    #[test]
    fn a_micro_toml_has_the_last_word() {
        let plan = planned(&[("micro.toml", "command = \"./run.sh\"")], "").expect("a plan");
        assert_eq!(
            plan,
            Plan {
                build: Build::Nothing,
                command: vec!["/bin/sh".into(), "-c".into(), "./run.sh".into()]
            }
        );
        let plan = planned(
            &[
                ("micro.toml", "command = [\"./a\", \"b\"]\nbuild = \"make\""),
                ("Cargo.toml", PACKAGE),
            ],
            "",
        );
        let plan = plan.expect("a plan");
        assert_eq!(
            plan.build,
            Build::Command(vec!["/bin/sh".into(), "-c".into(), "make".into()])
        );
        assert_eq!(plan.command, ["./a", "b"]);
    }

    #[test]
    fn what_cannot_be_built_says_so() {
        let table: Vec<(Files<'_>, &str, &str)> = vec![
            (
                &[("go.mod", "")],
                "",
                "not built yet on this platform: language go; supported: rust, or a micro.toml",
            ),
            (&[("package.json", "{}")], "", "language node"),
            (&[("requirements.txt", "")], "", "language python"),
            (&[("pyproject.toml", "")], "", "language python"),
            (&[("pom.xml", "")], "", "language java"),
            (&[("README.md", "")], "", "nothing here says how to run it"),
            (&[("README.md", "")], "sub", "no folder \"sub\""),
            (&[("Cargo.toml", "[workspace]")], "", "this is a workspace"),
            (&[("Cargo.toml", "[package")], "", "Cargo.toml: TOML parse error"),
            (&[("Cargo.toml", PACKAGE), ("src/lib.rs", "")], "", "has no program"),
            (
                &[("Cargo.toml", PACKAGE), ("src/bin/a.rs", ""), ("src/bin/b.rs", "")],
                "",
                "several programs (a, b)",
            ),
            (&[("micro.toml", "comand = \"x\"")], "", "unknown field"),
            (&[("micro.toml", "command = []")], "", "command is empty"),
            (&[("micro.toml", "build = \"make\"")], "", "a build needs a command"),
            (
                &[("Cargo.toml", "[package]\nname=\"x\"\ndefault-run=\"../x\"")],
                "",
                "cannot be the name of a program",
            ),
        ];
        for (files, entrypoint, words) in table {
            let refused = planned(files, entrypoint).expect_err(words).to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }
}

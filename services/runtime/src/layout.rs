//! Where things lie on disk. Paths are made of ids and of names that were checked, never of what a tenant chose freely.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use micro_domain::{InstanceId, NamespaceId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::state::ServiceId;

/// The runtime's folder.
#[derive(Clone, Debug)]
pub struct Layout(PathBuf);

/// What a run is, told by its folder's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// The server's own words about a release.
    Release,
    /// Git or a compiler at work.
    Build,
    /// The service itself.
    Instance,
}

impl RunKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Build => "build",
            Self::Instance => "instance",
        }
    }
}

/// One run of something: its folder holds the keeper's state and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it is.
    pub kind: RunKind,
    /// Which one: an instance's id where it is one.
    pub id: InstanceId,
    /// The folder.
    pub dir: PathBuf,
}

impl Run {
    /// Where its log segments are.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// When it began, in Unix milliseconds, as its folder's name says.
    pub fn began(&self) -> i128 {
        let name = self.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (millis, _) = name.split_once('-').unwrap_or_default();
        millis.parse().unwrap_or_default()
    }

    /// Notes about an instance, for whoever adopts it.
    pub fn note(&self) -> PathBuf {
        self.dir.with_extension("json")
    }

    /// Removes everything of it.
    pub fn remove(&self) -> io::Result<()> {
        absent(fs::remove_file(self.note()))?;
        absent(fs::remove_dir_all(&self.dir))
    }
}

/// What a server must know to adopt an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceNote {
    /// Which release it runs.
    pub release: u64,
    /// When that was asked for: numbers begin again where a service is removed and made anew.
    #[serde(with = "time::serde::rfc3339")]
    pub made: OffsetDateTime,
}

/// One service's folder.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Layout {
    /// Over the runtime's own folder, which is made if missing.
    pub fn open(root: &Path) -> io::Result<Self> {
        private_dir(root)?;
        private_dir(&root.join("namespaces"))?;
        // Binds and keepers refuse paths with links in them.
        Ok(Self(root.canonicalize()?))
    }

    /// Makes a namespace's folder.
    pub fn ensure_namespace(&self, namespace: NamespaceId) -> io::Result<()> {
        private_dir(&self.0.join("namespaces").join(namespace.to_string()))
    }

    /// A service's folder.
    pub fn home(&self, namespace: NamespaceId, id: &ServiceId) -> Home {
        let services = self.0.join("namespaces").join(namespace.to_string()).join("services");
        Home(services.join(format!("{}@{}", segment(&id.name), segment(&id.version))))
    }

    /// Every service folder there is, with its namespace.
    pub fn homes(&self) -> io::Result<Vec<(NamespaceId, Home)>> {
        let mut homes = Vec::new();
        for namespace in children(&self.0.join("namespaces"))? {
            let Some(id) = namespace
                .file_name()
                .and_then(|n| n.to_str())
                .and_then(|n| n.parse().ok())
            else {
                continue;
            };
            homes.extend(
                children(&namespace.join("services"))?
                    .into_iter()
                    .map(|home| (id, Home(home))),
            );
        }
        Ok(homes)
    }
}

impl Home {
    /// Makes the folder and those above it.
    pub fn ensure(&self) -> io::Result<()> {
        for above in self.0.ancestors().skip(1).take(2).collect::<Vec<_>>().into_iter().rev() {
            private_dir(above)?;
        }
        private_dir(&self.0)?;
        private_dir(&self.0.join("runs"))?;
        private_dir(&self.0.join("releases"))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a source is unpacked and built; gone afterwards.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// What builds leave for the next build.
    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// What the last source held.
    pub fn contents(&self) -> PathBuf {
        self.0.join("contents.json")
    }

    /// An unpacked artifact.
    pub fn release(&self, number: u64) -> PathBuf {
        self.0.join("releases").join(number.to_string())
    }

    /// The numbers of unpacked releases.
    pub fn releases(&self) -> io::Result<Vec<u64>> {
        let names = children(&self.0.join("releases"))?;
        Ok(names
            .iter()
            .filter_map(|p| p.file_name()?.to_str()?.parse().ok())
            .collect())
    }

    /// A new run's folder; not made yet.
    pub fn new_run(&self, kind: RunKind, id: InstanceId, now: OffsetDateTime) -> Run {
        let millis = now.unix_timestamp_nanos() / 1_000_000;
        Run {
            kind,
            id,
            dir: self.0.join("runs").join(format!("{millis:015}-{}-{id}", kind.word())),
        }
    }

    /// Every run whose folder is there, oldest first.
    pub fn runs(&self) -> io::Result<Vec<Run>> {
        let mut runs: Vec<Run> = children(&self.0.join("runs"))?
            .into_iter()
            .filter_map(parse_run)
            .collect();
        runs.sort_by(|a, b| a.dir.cmp(&b.dir));
        Ok(runs)
    }

    /// Removes everything.
    pub fn remove(&self) -> io::Result<()> {
        absent(fs::remove_dir_all(&self.0))
    }
}

fn parse_run(dir: PathBuf) -> Option<Run> {
    if !dir.is_dir() {
        return None;
    }
    let mut parts = dir.file_name()?.to_str()?.splitn(3, '-');
    let (_, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = [RunKind::Release, RunKind::Build, RunKind::Instance]
        .into_iter()
        .find(|k| k.word() == kind)?;
    let id = id.parse().ok()?;
    Some(Run { kind, id, dir })
}

/// A folder that only the server enters; what a tenant sees of it is bound into its sandbox.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes a folder and makes it anew, empty.
pub fn fresh_dir(path: &Path) -> io::Result<()> {
    absent(fs::remove_dir_all(path))?;
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn absent(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|e| e.map(|e| e.path())).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// A part of a path from a name or ref: what is not plain is spelled in hexadecimal, so that two never become one.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (n, byte) in text.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && n > 0);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_services_share_a_folder() {
        let id = |name: &str, version: &str| ServiceId {
            name: name.into(),
            version: version.into(),
        };
        let root = tempfile::tempdir().expect("a folder");
        let layout = Layout::open(root.path()).expect("opened");
        let (ada, bob) = (
            NamespaceId::new(uuid::Uuid::from_u128(1)),
            NamespaceId::new(uuid::Uuid::from_u128(2)),
        );
        let home = |ns, name: &str, version: &str| layout.home(ns, &id(name, version)).0;
        let all = [
            home(ada, "greeter", "latest"),
            home(bob, "greeter", "latest"),
            home(ada, "greeter", "feature/x"),
            home(ada, "greeter", "feature%2fx"),
            home(ada, "greeter", ".."),
            home(ada, "a@b", "c"),
            home(ada, "a", "b@c"),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        for path in &all {
            assert_eq!(path.parent().and_then(Path::file_name).expect("has one"), "services");
            assert!(!path.ends_with(".."));
        }
    }

    #[test]
    fn runs_come_back_in_order() {
        let root = tempfile::tempdir().expect("a folder");
        let home = Layout::open(root.path()).expect("opened").home(
            NamespaceId::new(uuid::Uuid::nil()),
            &ServiceId {
                name: "a".into(),
                version: "latest".into(),
            },
        );
        home.ensure().expect("made");
        let run = |kind, n, at: i64| {
            let id = InstanceId::new(uuid::Uuid::from_u128(n));
            home.new_run(kind, id, OffsetDateTime::from_unix_timestamp(at).expect("in range"))
        };
        let (first, second) = (run(RunKind::Build, 2, 100), run(RunKind::Instance, 1, 200));
        assert_eq!((first.began(), second.began()), (100_000, 200_000));
        for run in [&second, &first] {
            private_dir(&run.dir).expect("made");
        }
        fs::write(first.note(), "{}").expect("written");
        assert_eq!(home.runs().expect("read"), [first.clone(), second]);
        first.remove().expect("removed");
        assert_eq!(home.runs().expect("read").len(), 1);
    }
}

//! What to run and within which bounds.

use std::{fmt, net::SocketAddr, path::PathBuf};

use micro_domain::InstanceId;
use serde::{Deserialize, Serialize};

/// One instance or build, as the server hands it to the keeper: through a socket, never through arguments.
#[derive(Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Whose it is; shown in the process list.
    pub id: InstanceId,
    /// A directory of this instance's own, made if missing (0700): control socket, logs, reason of its end.
    pub state_dir: PathBuf,
    /// Decides how wide the system-call filter is.
    pub kind: Kind,
    /// Program and arguments; a program without a slash is looked up in `PATH` of `env`.
    pub command: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Where it starts, as the program sees it.
    pub cwd: PathBuf,
    /// Folders and files that it sees beside the system's. Not used in [`crate::Mode::Plain`].
    pub binds: Vec<Bind>,
    /// How much it may take.
    pub limits: Limits,
    /// Addresses inside its network that the server answers. Not used in [`crate::Mode::Plain`].
    pub doors: Vec<Door>,
    /// Root mode: the first of two host uids that nobody else has; the keeper gets it, the program the next one.
    pub uid_base: Option<u32>,
}

impl Spec {
    /// The host uid that the program has in root mode: who must own what it may write.
    pub fn service_uid(&self) -> Option<u32> {
        self.uid_base.map(|base| base + 1)
    }
}

/// Environment and arguments may hold credentials, so they stay out.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("program", &self.command.first())
            .finish_non_exhaustive()
    }
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A tenant's service.
    Service,
    /// A compiler or package manager at work on a tenant's source.
    Build,
}

/// Something of the host that the program sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// On the host; absolute, no component may be a symbolic link (a tenant could have put it there).
    pub source: PathBuf,
    /// Where the program finds it; absolute.
    pub target: PathBuf,
    /// Whether it may change it.
    pub writable: bool,
}

/// An address inside, answered outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// What the server calls it.
    pub name: String,
    /// Where the program finds it.
    pub inside: SocketAddr,
}

/// The bounds. Confined modes only, but for `log_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of the whole instance where cgroups are ours to use, of each process otherwise (see [`crate::Capabilities`]).
    pub memory_bytes: u64,
    /// Processes and threads.
    pub tasks: u64,
    /// The largest single file.
    pub file_bytes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// `/tmp` and `/dev/shm`, each; they live in memory.
    pub tmp_bytes: u64,
    /// All log segments together.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            tasks: 256,
            file_bytes: 1 << 30,
            open_files: 4096,
            tmp_bytes: 64 << 20,
            log_bytes: 32 << 20,
        }
    }
}

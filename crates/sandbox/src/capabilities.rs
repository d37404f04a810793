//! How far confinement goes on this machine.

use serde::{Deserialize, Serialize};

/// How a keeper confines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// By root: host uids of its own for each instance, cgroups where they can be written.
    Root,
    /// By a plain user: namespaces and a keeper that cannot be traced.
    User,
    /// Not at all: a child in the host's network, supervised and logged all the same.
    Plain,
}

impl Mode {
    /// Whether tenant code is kept apart.
    pub fn confines(self) -> bool {
        self != Self::Plain
    }
}

/// What bounds memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemoryLimit {
    /// The whole instance, by a cgroup; its end is then known as out of memory.
    Instance,
    /// Each process for itself, by a resource limit: a tree of processes may take the limit many times, and
    /// memory that processes share is not counted.
    Process,
    /// Nothing.
    None,
}

/// What holds for one running keeper; for status pages, so that nobody believes in a bound that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// How it is confined.
    pub mode: Mode,
    /// What bounds its memory.
    pub memory: MemoryLimit,
    /// Whether a cgroup counts its processes (the resource limit does in every confined mode).
    pub tasks_cgroup: bool,
    /// Whether the kernel's Landlock is a second lock on files.
    pub landlock: bool,
}

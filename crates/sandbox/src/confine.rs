//! The locks on tenant code, one file each.

pub(crate) mod capabilities;
pub(crate) mod cgroup;
pub(crate) mod landlock;
pub(crate) mod mounts;
pub(crate) mod network;
pub(crate) mod rlimits;
pub(crate) mod seccomp;
pub(crate) mod tree;
pub(crate) mod userns;

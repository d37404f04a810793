//! The locks on tenant code, one file each.

pub(crate) mod cgroup;

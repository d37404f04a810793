//! Resource limits: per process, and for the count of processes per uid of the user namespace.

use std::io;

use crate::{
    spec::{Kind, Limits},
    sys::check,
};

/// A thread's stack, where the server's own limit might be none.
const STACK: u64 = 8 << 20;

/// Builds wait where services want to run.
pub(crate) fn yield_to_services(kind: Kind) -> io::Result<()> {
    if kind == Kind::Service {
        return Ok(());
    }
    // SAFETY: plain numbers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) }).map(drop)
}

/// `memory_too`: no cgroup bounds memory, so each process is bounded by itself.
pub(crate) fn apply(limits: &Limits, memory_too: bool) -> io::Result<()> {
    set(libc::RLIMIT_CORE, 0)?;
    set(libc::RLIMIT_NPROC, limits.tasks)?;
    set(libc::RLIMIT_NOFILE, limits.open_files)?;
    set(libc::RLIMIT_FSIZE, limits.file_bytes)?;
    set(libc::RLIMIT_STACK, STACK)?;
    if memory_too {
        set(libc::RLIMIT_DATA, limits.memory_bytes)?;
    }
    Ok(())
}

fn set(resource: libc::__rlimit_resource_t, most: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: room for one limit.
    check(unsafe { libc::getrlimit(resource, &mut limit) })?;
    // Raising what the server itself may not have needs a right that nobody here has.
    let most = most.min(limit.rlim_max);
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: the limit lives through the call.
    check(unsafe { libc::setrlimit(resource, &limit) }).map(drop)
}

//! User namespaces: which uids inside stand for which outside.

use std::{fs, io, ptr};

use crate::sys::check;

/// The program's uid, as it sees itself.
pub(crate) const SERVICE_UID: u32 = 1000;

/// All that a sandbox has of its own.
pub(crate) const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

pub(crate) fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::unshare(namespaces) }).map(drop)
}

/// Like `fork`, into new namespaces: 0 in the child.
pub(crate) fn fork_into(namespaces: i32) -> io::Result<libc::pid_t> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: without a stack of its own the child goes on like one of `fork`; this process has one thread.
    check(unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, 0usize) })
        .map(|pid| pid as libc::pid_t)
}

/// Writes the maps of `process` (`self` or a number): lines of inside, outside, count.
pub(crate) fn map(process: &str, lines: &str, may_set_groups: bool) -> io::Result<()> {
    if !may_set_groups {
        fs::write(format!("/proc/{process}/setgroups"), "deny")?;
    }
    fs::write(format!("/proc/{process}/uid_map"), lines)?;
    fs::write(format!("/proc/{process}/gid_map"), lines)
}

/// [`map`] for one uid and gid that differ.
pub(crate) fn map_self(inside: u32, uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{inside} {uid} 1\n"))?;
    fs::write("/proc/self/gid_map", format!("{inside} {gid} 1\n"))
}

/// Becomes `uid`, with the group of the same number and no others.
pub(crate) fn become_uid(uid: u32) -> io::Result<()> {
    // SAFETY: an empty list of groups; plain numbers.
    unsafe {
        check(libc::setgroups(0, ptr::null()))?;
        check(libc::setresgid(uid, uid, uid))?;
        check(libc::setresuid(uid, uid, uid)).map(drop)
    }
}

/// Opening `/dev/stdout` or `/dev/stderr` anew asks whose the pipe is.
pub(crate) fn own_outputs(uid: u32) -> io::Result<()> {
    for output in [1, 2] {
        // SAFETY: plain numbers.
        check(unsafe { libc::fchown(output, uid, uid) })?;
    }
    Ok(())
}

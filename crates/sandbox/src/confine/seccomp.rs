//! The system-call filter: a list of what programs need, everything else unknown. It is small enough to be made anew in
//! each sandbox, in microseconds, straight as the kernel's filter code.

mod calls;
mod program;

use std::io;

use crate::{spec::Kind, sys::check};

/// What happens to one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// Fails with this number.
    Errno(u16),
    /// Depends on its arguments.
    Clone,
    Ioctl,
    Personality,
    Socket,
}

/// For the calling process and all it starts, for ever. Needs no new privileges to be set already.
pub(crate) fn apply(kind: Kind) -> io::Result<()> {
    let code = program::compile(&calls::verdicts(kind));
    let program = libc::sock_fprog {
        len: code.len() as u16,
        filter: code.as_ptr().cast_mut(),
    };
    const FILTER: libc::c_ulong = 2;
    // SAFETY: the code lives through the call, which copies it.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, FILTER, &program) }).map(drop)
}

//! Linux capabilities: what a process may do beyond its uid, given up here.

use std::io;

use crate::sys::{self, check};

/// Signals across uids: all that a keeper needs, and only within its own user namespace.
pub(crate) const KILL: u32 = 5;

/// No program executed from here on can gain any. Needs `CAP_SETPCAP`, so it comes before the uid changes.
pub(crate) fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        match sys::prctl(libc::PR_CAPBSET_DROP, capability) {
            Ok(()) => {}
            // The first one that this kernel does not know.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// This process keeps only these.
pub(crate) fn keep_only(capabilities: &[u32]) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let set = capabilities.iter().fold(0, |set, capability| set | 1 << capability);
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let data = [
        Data {
            effective: set,
            permitted: set,
            inheritable: 0,
        },
        Data {
            effective: 0,
            permitted: 0,
            inheritable: 0,
        },
    ];
    // SAFETY: header and both data words live through the call, in the layout of version 3.
    check(unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) }).map(drop)
}

/// Neither this process nor anything it executes ever gains a right by executing a file.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

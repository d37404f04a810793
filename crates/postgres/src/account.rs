//! Which user the server runs as: ourselves, or an unprivileged one when we are root.

use std::{ffi::CStr, process::Command};

use crate::PostgresError;

/// The user and group of the server's processes and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    /// Whether that is somebody other than us.
    pub dropped: bool,
}

impl Account {
    pub fn for_server() -> Result<Self, PostgresError> {
        // SAFETY: these take no arguments and cannot fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        if uid != 0 {
            return Ok(Self {
                uid,
                gid,
                dropped: false,
            });
        }
        [c"postgres", c"nobody"]
            .into_iter()
            .find_map(look_up)
            .ok_or(PostgresError::NoAccount)
    }

    /// Makes the command run as this user.
    pub fn apply(&self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        if self.dropped {
            command.uid(self.uid).gid(self.gid);
        }
    }
}

fn look_up(name: &CStr) -> Option<Account> {
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let mut found = std::ptr::null_mut();
    let mut text = vec![0; 16 << 10];
    // SAFETY: all pointers are to memory that outlives the call, and the buffer's length is its own.
    let failed = unsafe {
        libc::getpwnam_r(
            name.as_ptr(),
            entry.as_mut_ptr(),
            text.as_mut_ptr(),
            text.len(),
            &mut found,
        )
    };
    if failed != 0 || found.is_null() {
        return None;
    }
    // SAFETY: a result that is not null means that the entry was filled in.
    let entry = unsafe { entry.assume_init() };
    Some(Account {
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        dropped: true,
    })
}

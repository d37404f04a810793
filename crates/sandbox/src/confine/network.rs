//! The sandbox's own network: a loopback, and nothing else.

use std::{io, mem, os::fd::AsRawFd};

use crate::sys::{check, owned};

/// A new network's loopback is down.
pub(crate) fn raise_loopback() -> io::Result<()> {
    // SAFETY: plain numbers.
    let socket = owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: all zero is a valid request; name and flags are set before the kernel reads them.
    unsafe {
        let mut request: libc::ifreq = mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request)).map(drop)
    }
}

/// What `hostname` says inside.
pub(crate) fn name_host(name: &str) -> io::Result<()> {
    // SAFETY: the name is as long as said.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

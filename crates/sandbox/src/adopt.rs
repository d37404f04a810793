//! Finds the keeper that works in a state directory, also after the server was killed and started again.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    path::Path,
};

use crate::{
    capabilities::Capabilities,
    confine::cgroup,
    control::{self, Answer, Request},
    keeper::Keeper,
    sys,
};

/// `SO_PEERPIDFD`, Linux 6.5.
const PEER_PIDFD: i32 = 77;

impl Keeper {
    /// The keeper that is alive in `state_dir`, if there is one. If not, [`crate::Exit::recorded`] may say how it ended.
    pub fn adopt(state_dir: &Path) -> Option<Self> {
        let dir = sys::open_dir(state_dir).ok()?;
        let Ok((pidfd, capabilities)) = greet(dir.as_fd()) else {
            // It ended while no server was there to see it.
            cgroup::clear(state_dir, &cgroup::recorded(state_dir));
            return None;
        };
        Some(Self::new(state_dir.to_owned(), dir, pidfd, capabilities))
    }
}

fn greet(dir: BorrowedFd<'_>) -> io::Result<(OwnedFd, Capabilities)> {
    let (socket, first) = control::ask(dir, &Request::Hello)?;
    let Answer::Hello(capabilities) = first else {
        return Err(io::Error::other("not a keeper"));
    };
    if let Ok(pidfd) = peer_pidfd(socket.as_fd()) {
        return Ok((pidfd, capabilities));
    }
    // Without the option the peer's number is turned into a descriptor; that the same connection answers once more
    // proves that the number was not given to another process meanwhile.
    let pidfd = sys::pidfd_open(peer_pid(socket.as_fd())?)?;
    control::send(socket.as_fd(), &control::encode(&Request::Hello)?, &[])?;
    let mut ready = [sys::readable(socket.as_raw_fd())];
    sys::poll(&mut ready, 5_000)?;
    control::receive_message::<Answer>(socket.as_fd())?;
    Ok((pidfd, capabilities))
}

fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut fd: RawFd = -1;
    option(socket, PEER_PIDFD, &mut fd)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn peer_pid(socket: BorrowedFd<'_>) -> io::Result<libc::pid_t> {
    // SAFETY: all zero is a valid ucred.
    let mut peer: libc::ucred = unsafe { mem::zeroed() };
    option(socket, libc::SO_PEERCRED, &mut peer)?;
    Ok(peer.pid)
}

fn option<T>(socket: BorrowedFd<'_>, name: i32, value: &mut T) -> io::Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    let to = std::ptr::from_mut(value).cast();
    // SAFETY: `value` has the length that is passed.
    sys::check(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, to, &mut length) }).map(drop)
}

//! A packet socket with a name in a directory, and descriptors in packets.

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    ptr,
};

use super::SOCKET;
use crate::sys::{check, owned};

/// The largest packet.
pub(super) const LARGEST: usize = 64 << 10;
/// Descriptors in one packet: the kernel allows 253.
const MOST_FDS: usize = 64;
const CONTROL_ROOM: usize = MOST_FDS * size_of::<RawFd>() + 64;

/// Through the directory's descriptor, since a path may be longer than an address can hold.
fn address(dir: BorrowedFd<'_>) -> (libc::sockaddr_un, libc::socklen_t) {
    // SAFETY: all zero is a valid address.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd());
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    (address, size_of::<libc::sockaddr_un>() as libc::socklen_t)
}

fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: plain numbers.
    owned(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })
}

/// Names a socket in `dir`, replacing a dead one. Who calls [`listen`] on it is who its peers see.
pub(crate) fn bind(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let name = crate::sys::c_string(SOCKET.as_bytes())?;
    // SAFETY: `name` ends in NUL and lives through the call; that there was none is fine.
    unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) };
    let socket = socket()?;
    let (address, length) = address(dir);
    // SAFETY: the address is as long as said.
    check(unsafe { libc::bind(socket.as_raw_fd(), ptr::from_ref(&address).cast(), length) })?;
    Ok(socket)
}

pub(crate) fn listen(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::listen(socket.as_raw_fd(), 128) }).map(drop)
}

/// `None` when nobody waits.
pub(crate) fn accept(socket: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no address is asked for.
    let fd = unsafe { libc::accept4(socket.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), flags) };
    match owned(fd) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn connect(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let socket = socket()?;
    let (address, length) = address(dir);
    // SAFETY: the address is as long as said.
    check(unsafe { libc::connect(socket.as_raw_fd(), ptr::from_ref(&address).cast(), length) })?;
    Ok(socket)
}

#[repr(align(8))]
struct ControlRoom([u8; CONTROL_ROOM]);

pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if fds.len() > MOST_FDS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors for one packet",
        ));
    }
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let mut room = ControlRoom([0; CONTROL_ROOM]);
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: every pointer in the header lives through the call; the control room is aligned and holds MOST_FDS.
    unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = &mut part;
        header.msg_iovlen = 1;
        if !raw.is_empty() {
            let size = size_of_val(raw.as_slice()) as u32;
            header.msg_control = room.0.as_mut_ptr().cast();
            header.msg_controllen = libc::CMSG_SPACE(size) as _;
            let control = libc::CMSG_FIRSTHDR(&header);
            (*control).cmsg_level = libc::SOL_SOCKET;
            (*control).cmsg_type = libc::SCM_RIGHTS;
            (*control).cmsg_len = libc::CMSG_LEN(size) as _;
            ptr::copy_nonoverlapping(raw.as_ptr().cast::<u8>(), libc::CMSG_DATA(control), size as usize);
        }
        check(libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_NOSIGNAL))?;
    }
    Ok(())
}

pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = ControlRoom([0; CONTROL_ROOM]);
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut fds = Vec::new();
    // SAFETY: as in `send`; the kernel says how much control data it wrote, and its macros stay within that.
    unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = &mut part;
        header.msg_iovlen = 1;
        header.msg_control = room.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_ROOM as _;
        let length = check(libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_CMSG_CLOEXEC))?;
        let mut control = libc::CMSG_FIRSTHDR(&header);
        while !control.is_null() {
            if (*control).cmsg_level == libc::SOL_SOCKET && (*control).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(control).cast::<RawFd>();
                let count = ((*control).cmsg_len as usize - libc::CMSG_LEN(0) as usize) / size_of::<RawFd>();
                for i in 0..count {
                    fds.push(owned(ptr::read_unaligned(data.add(i)))?);
                }
            }
            control = libc::CMSG_NXTHDR(&header, control);
        }
        Ok((length as usize, fds))
    }
}

//! Sockets of the sandbox's own network: listening ones for the server to answer, connected ones into it.

use std::{
    io, mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::fd::{AsRawFd, OwnedFd},
    ptr,
};

use crate::{
    failure::{Failure, Step},
    spec::Door,
    sys::{check, owned},
};

/// An open door: its name, and the socket that keeps callers waiting while no server is there.
pub(super) struct OpenDoor {
    pub(super) name: String,
    pub(super) listener: TcpListener,
}

pub(super) fn open(doors: &[Door]) -> Result<Vec<OpenDoor>, Failure> {
    doors
        .iter()
        .map(|door| {
            let listener = TcpListener::bind(door.inside).step(format!("open the door {}", door.name))?;
            Ok(OpenDoor {
                name: door.name.clone(),
                listener,
            })
        })
        .collect()
}

/// Starts a connection to `port` of the loopback here, and whether it is still under way.
pub(super) fn dial(port: u16) -> io::Result<(OwnedFd, bool)> {
    match dial_address(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        // Some servers only listen on the other one.
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            dial_address(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).map_err(|_| e)
        }
        result => result,
    }
}

fn dial_address(address: SocketAddr) -> io::Result<(OwnedFd, bool)> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: plain numbers.
    let socket =
        owned(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: all zero is a valid address of either family; each is as long as said.
    let result = unsafe {
        match address {
            SocketAddr::V4(a) => {
                let mut to: libc::sockaddr_in = mem::zeroed();
                to.sin_family = libc::AF_INET as libc::sa_family_t;
                to.sin_port = a.port().to_be();
                to.sin_addr.s_addr = u32::from_ne_bytes(a.ip().octets());
                libc::connect(socket.as_raw_fd(), ptr::from_ref(&to).cast(), size_of_val(&to) as _)
            }
            SocketAddr::V6(a) => {
                let mut to: libc::sockaddr_in6 = mem::zeroed();
                to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                to.sin6_port = a.port().to_be();
                to.sin6_addr.s6_addr = a.ip().octets();
                libc::connect(socket.as_raw_fd(), ptr::from_ref(&to).cast(), size_of_val(&to) as _)
            }
        }
    };
    match check(result) {
        Ok(_) => Ok((socket, false)),
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => Ok((socket, true)),
        Err(e) => Err(e),
    }
}

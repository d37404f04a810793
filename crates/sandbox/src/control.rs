//! What server and keeper say to each other: one request and one answer per packet, descriptors beside them.

mod packet;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::Interest;

use crate::capabilities::Capabilities;
pub(crate) use packet::{accept, bind, connect, listen, receive, send};

/// The socket's name in the state directory.
pub(crate) const SOCKET: &str = "ctl";
/// A keeper answers from memory; one that takes longer is stopped or starved.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Who are you?
    Hello,
    /// The listening sockets of the doors.
    Doors,
    /// A socket connected to this port inside.
    Connect { port: u16 },
    /// TERM to the program, after `grace_ms` KILL to everything.
    Stop { grace_ms: u64 },
    /// A line of the server's in the instance's log.
    Note { text: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Hello(Capabilities),
    /// Names, in the order of the descriptors.
    Doors(Vec<String>),
    /// One descriptor; `pending`: its connect has not finished.
    Connected {
        pending: bool,
    },
    Refused {
        errno: i32,
    },
    Done,
}

/// Asks the keeper behind the state directory `dir` and waits for its answer on this thread.
pub(crate) fn ask(dir: BorrowedFd<'_>, request: &Request) -> io::Result<(OwnedFd, Answer)> {
    let socket = connect(dir)?;
    send(socket.as_fd(), &encode(request)?, &[])?;
    let mut fds = [crate::sys::readable(socket.as_raw_fd())];
    if crate::sys::poll(&mut fds, PATIENCE.as_millis() as i32)? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let (answer, _) = receive_message(socket.as_fd())?;
    Ok((socket, answer))
}

/// Asks without holding the thread.
pub(crate) async fn ask_async(dir: BorrowedFd<'_>, request: &Request) -> io::Result<(Answer, Vec<OwnedFd>)> {
    let socket = connect(dir)?;
    send(socket.as_fd(), &encode(request)?, &[])?;
    let socket = crate::sys::wait_readable(socket)?;
    let answer = socket.async_io(Interest::READABLE, |socket| receive_message(socket.as_fd()));
    tokio::time::timeout(PATIENCE, answer)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(message).map_err(io::Error::other)
}

/// One packet; an orderly end is an error too, since an answer was due.
pub(crate) fn receive_message<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut buffer = vec![0; packet::LARGEST];
    let (length, fds) = receive(socket, &mut buffer)?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((
        serde_json::from_slice(&buffer[..length]).map_err(io::Error::other)?,
        fds,
    ))
}

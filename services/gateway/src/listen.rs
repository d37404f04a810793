//! Binding the public doors: once plainly, to find out whether the port is free, then once for each core.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Why a door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorTaken {
    /// Somebody else listens there.
    #[error("{door}: {address} is taken by {holder}. Stop that, or choose another address with {door} or --{}", flag(.door))]
    Port {
        /// The setting that names the door.
        door: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// Who listens there, as far as this user may know.
        holder: String,
    },
    /// More than one of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Self>),
    /// The machine refuses the address.
    #[error("{door}: cannot listen on {address}")]
    Address {
        /// The setting that names the door.
        door: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The edge cores could not be started.
    #[error("starting the edge cores")]
    Threads(#[source] io::Error),
}

/// `MICRO_API_ADDRESS` on the command line.
fn flag(door: &str) -> String {
    door.trim_start_matches("MICRO_").to_ascii_lowercase().replace('_', "-")
}

/// Whether each address could be listened on now: before anything is made or opened, and all that is wrong at once.
pub fn check_free(doors: &[(&'static str, SocketAddr)]) -> Result<(), DoorTaken> {
    let mut taken: Vec<_> = doors
        .iter()
        .filter_map(|(door, address)| plain(door, *address).err())
        .collect();
    match taken.len() {
        0 => Ok(()),
        1 => Err(taken.remove(0)),
        _ => Err(DoorTaken::Several(taken)),
    }
}

/// One door's listeners, one a core, all on the same address.
pub struct Listening {
    pub address: SocketAddr,
    pub listeners: Vec<TcpListener>,
}

pub fn listen(door: &'static str, address: SocketAddr, cores: usize) -> Result<Listening, DoorTaken> {
    let failed = |source| failed(door, address, source);
    let bound = plain(door, address)?.local_addr().map_err(failed)?;
    let listeners = (0..cores)
        .map(|_| shared(bound))
        .collect::<io::Result<_>>()
        .map_err(failed)?;
    Ok(Listening {
        address: bound,
        listeners,
    })
}

/// With SO_REUSEPORT alone, a second server of the same user would silently share the port.
fn plain(door: &'static str, address: SocketAddr) -> Result<TcpListener, DoorTaken> {
    TcpListener::bind(address).map_err(|e| failed(door, address, e))
}

fn failed(door: &'static str, address: SocketAddr, source: io::Error) -> DoorTaken {
    match source.kind() {
        io::ErrorKind::AddrInUse => DoorTaken::Port {
            door,
            address,
            holder: holder(address.port()),
        },
        _ => DoorTaken::Address { door, address, source },
    }
}

fn shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Who listens on a port, from `/proc`.
fn holder(port: u16) -> String {
    inode(port).and_then(process).map_or_else(
        || "another process".to_owned(),
        |(pid, name)| match data_dir(pid).filter(|_| name == "micro") {
            Some(folder) => format!("the micro server of {} (process {pid})", folder.display()),
            None => format!("process {pid} ({name})"),
        },
    )
}

/// The data directory of a micro server: it holds the lock in it.
fn data_dir(pid: u32) -> Option<PathBuf> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let paths = files.filter_map(|f| fs::read_link(f.path()).ok());
    paths
        .filter(|path| path.file_name() == Some("lock".as_ref()))
        .find_map(|path| path.parent().map(Path::to_owned))
}

fn inode(port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let wanted = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).find_map(|line| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        (local.ends_with(&wanted) && *state == LISTEN).then(|| (*inode).to_owned())
    })
}

fn process(inode: String) -> Option<(u32, String)> {
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        files
            .any(|f| fs::read_link(f.path()).is_ok_and(|l| l.as_os_str() == socket.as_str()))
            .then(|| {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                (pid, name.trim().to_owned())
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told_with_its_door_and_holder() {
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = held.local_addr().expect("bound");
        let Err(refused) = listen("MICRO_API_ADDRESS", address, 1) else {
            panic!("it is taken")
        };
        let text = refused.to_string();
        assert!(
            text.contains(&address.to_string()) && text.contains("MICRO_API_ADDRESS"),
            "{text}"
        );
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    }

    #[test]
    fn every_core_listens_on_the_port_that_was_picked() {
        let listening = listen("MICRO_API_ADDRESS", "127.0.0.1:0".parse().expect("valid"), 3).expect("free");
        assert_ne!(listening.address.port(), 0);
        for listener in &listening.listeners {
            assert_eq!(listener.local_addr().expect("bound"), listening.address);
        }
        assert!(
            listen("MICRO_PROXY_ADDRESS", listening.address, 1).is_err(),
            "not shared with a second server"
        );
    }
}

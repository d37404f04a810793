//! `addresses.json` in the data directory: where this server answers, for scripts that let it pick ports.

use std::{fs, io, net::SocketAddr, path::Path};

use serde::{Deserialize, Serialize};

/// Written once everything serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// HTTP API.
    pub api: SocketAddr,
    /// gRPC for command lines.
    pub proxy: SocketAddr,
    /// Pages; none on a local server.
    pub web: Option<SocketAddr>,
    /// gRPC for services that no sandbox door serves; none where every service has a door of its own.
    pub network: Option<SocketAddr>,
    /// The operators' door.
    pub admin: Option<SocketAddr>,
    /// The server's process.
    pub pid: u32,
}

impl Addresses {
    const FILE: &str = "addresses.json";

    /// Replaces the file in one step.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let fresh = data_dir.join("addresses.json.new");
        fs::write(&fresh, json)?;
        fs::rename(fresh, data_dir.join(Self::FILE))
    }

    /// What the file says, if there is one.
    pub fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(data_dir.join(Self::FILE)) {
            Ok(json) => serde_json::from_slice(&json).map(Some).map_err(io::Error::other),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Removes the file: nothing answers any more.
    pub fn remove(data_dir: &Path) -> io::Result<()> {
        match fs::remove_file(data_dir.join(Self::FILE)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Addresses::read(dir.path()).expect("no file is fine"), None);
        let here = Addresses {
            api: "127.0.0.1:1".parse().expect("valid"),
            proxy: "127.0.0.1:2".parse().expect("valid"),
            web: None,
            network: None,
            admin: None,
            pid: 3,
        };
        here.write(dir.path()).expect("writes");
        assert_eq!(Addresses::read(dir.path()).expect("reads"), Some(here));
        Addresses::remove(dir.path()).expect("removes");
        Addresses::remove(dir.path()).expect("again is fine");
    }
}

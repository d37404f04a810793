//! A Redis of the test's own, on a unix socket.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::eventually;

/// An installed `redis-server`, stopped when dropped.
pub struct RedisServer {
    child: Child,
    folder: TempDir,
}

impl RedisServer {
    /// Starts it; none, with the reason printed, where it is not installed.
    pub async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        match run(&folder) {
            Ok(child) => Some(listening(Self { child, folder }).await),
            Err(error) => {
                println!("skipped: redis-server does not start: {error}");
                None
            }
        }
    }

    /// Kills it and starts an empty one in its place.
    pub async fn restart(mut self) -> Self {
        self.kill();
        self.child = run(&self.folder).expect("it started before");
        listening(self).await
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.folder).display())
    }

    fn kill(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn socket(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("redis.sock")
}

fn run(folder: &TempDir) -> std::io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(socket(folder))
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
}

async fn listening(server: RedisServer) -> RedisServer {
    let socket = socket(&server.folder);
    eventually("listening", Duration::from_secs(20), || async {
        UnixStream::connect(&socket).await.is_ok()
    })
    .await;
    server
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

//! The server's handle on one keeper process.

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    capabilities::Capabilities,
    confine::cgroup,
    control::{self, Answer, Request},
    exit::Exit,
    launch, sys,
};

/// What a keeper could not do.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// It has ended, and the program with it.
    #[error("the instance has ended")]
    Gone,
    /// Nothing listens there inside.
    #[error("the instance does not accept connections there")]
    Refused(#[source] io::Error),
    /// It is there, but does not answer.
    #[error("talking to the instance's keeper")]
    Silent(#[source] io::Error),
}

/// A keeper that was alive when this was made. Clones are the same keeper; dropping it leaves the keeper at work.
#[derive(Clone, Debug)]
pub struct Keeper(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    state_dir: PathBuf,
    dir: OwnedFd,
    pidfd: OwnedFd,
    capabilities: Capabilities,
    /// Its control groups, known even if its directory is taken away.
    groups: Vec<PathBuf>,
}

/// Time for a keeper to end everything once it has been told to, before it is killed itself.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

impl Keeper {
    pub(crate) fn new(state_dir: PathBuf, dir: OwnedFd, pidfd: OwnedFd, capabilities: Capabilities) -> Self {
        let groups = cgroup::recorded(&state_dir);
        Self(Arc::new(Handle {
            state_dir,
            dir,
            pidfd,
            capabilities,
            groups,
        }))
    }

    /// How it is confined and what bounds it.
    pub fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    /// Where it keeps its state.
    pub fn state_dir(&self) -> &Path {
        &self.0.state_dir
    }

    /// Where its log segments are, for [`crate::LogReader`].
    pub fn log_dir(&self) -> PathBuf {
        self.0.state_dir.join(launch::LOGS)
    }

    /// Whether it, and so the program, still runs.
    pub fn is_alive(&self) -> bool {
        sys::poll(&mut [sys::readable(self.0.pidfd.as_raw_fd())], 0).is_ok_and(|ready| ready == 0)
    }

    /// Why it ended; `None` while it is alive.
    pub fn exit(&self) -> Option<Exit> {
        if self.is_alive() {
            return None;
        }
        sys::reap(self.0.pidfd.as_fd());
        cgroup::clear(&self.0.state_dir, &self.0.groups);
        Some(Exit::recorded(&self.0.state_dir).unwrap_or_else(Exit::lost))
    }

    /// Waits for its end.
    pub async fn wait(&self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.exit() {
                return Ok(exit);
            }
            sys::wait_readable(self.0.pidfd.try_clone()?)?
                .readable()
                .await?
                .retain_ready();
        }
    }

    /// [`Self::wait`] on this thread.
    pub(crate) fn wait_blocking(&self) -> Exit {
        loop {
            if let Some(exit) = self.exit() {
                return exit;
            }
            // An interruption only means to look again.
            let _ = sys::poll(&mut [sys::readable(self.0.pidfd.as_raw_fd())], -1);
        }
    }

    /// The listening ends of its doors, by name. They are shared with the keeper, which keeps connections waiting while
    /// the server restarts.
    pub async fn doors(&self) -> Result<Vec<(String, TcpListener)>, KeeperError> {
        match self.ask(&Request::Doors).await? {
            (Answer::Doors(names), fds) => Ok(names.into_iter().zip(fds.into_iter().map(TcpListener::from)).collect()),
            _ => Err(unexpected()),
        }
    }

    /// A connection to `port` inside, in non-blocking mode, for `tokio::net::TcpStream::from_std`.
    pub async fn connect(&self, port: u16) -> Result<TcpStream, KeeperError> {
        match self.ask(&Request::Connect { port }).await? {
            (Answer::Connected { pending }, mut fds) => {
                let stream = TcpStream::from(fds.pop().ok_or_else(unexpected)?);
                if pending { connected(stream).await } else { Ok(stream) }
            }
            (Answer::Refused { errno }, _) => Err(KeeperError::Refused(io::Error::from_raw_os_error(errno))),
            _ => Err(unexpected()),
        }
    }

    /// Adds a line of the server's own to the instance's log.
    pub async fn note(&self, text: impl Into<String>) -> Result<(), KeeperError> {
        self.ask(&Request::Note { text: text.into() }).await.map(drop)
    }

    /// TERM to the program, KILL to everything after `grace`, and the end of both.
    pub async fn stop(&self, grace: Duration) -> io::Result<Exit> {
        let asked = self
            .ask(&Request::Stop {
                grace_ms: grace.as_millis() as u64,
            })
            .await;
        let patience = if asked.is_ok() {
            grace + LAST_PATIENCE
        } else {
            Duration::ZERO
        };
        if let Ok(exit) = tokio::time::timeout(patience, self.wait()).await {
            return exit;
        }
        // It does not answer or does not finish. What it confined ends with it.
        if let Err(e) = sys::pidfd_kill(self.0.pidfd.as_fd(), libc::SIGKILL)
            && e.raw_os_error() != Some(libc::ESRCH)
        {
            return Err(e);
        }
        self.wait().await
    }

    async fn ask(&self, request: &Request) -> Result<(Answer, Vec<OwnedFd>), KeeperError> {
        control::ask_async(self.0.dir.as_fd(), request)
            .await
            .map_err(|e| match e.kind() {
                _ if !self.is_alive() => KeeperError::Gone,
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => KeeperError::Gone,
                _ => KeeperError::Silent(e),
            })
    }
}

fn unexpected() -> KeeperError {
    KeeperError::Silent(io::Error::other("an answer to another question"))
}

/// A connect that was still under way when the descriptor came over.
async fn connected(stream: TcpStream) -> Result<TcpStream, KeeperError> {
    let stream = tokio::net::TcpStream::from_std(stream).map_err(KeeperError::Silent)?;
    stream.writable().await.map_err(KeeperError::Silent)?;
    match stream.take_error().map_err(KeeperError::Silent)? {
        Some(e) => Err(KeeperError::Refused(e)),
        None => stream.into_std().map_err(KeeperError::Silent),
    }
}

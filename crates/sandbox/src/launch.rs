//! Starts keepers: the current binary again, with nothing of the server in it.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
            net::UnixStream,
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    capabilities::{Capabilities, Mode},
    confine::cgroup,
    exit,
    failure::Failure,
    keeper::Keeper,
    spec::Spec,
};

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "sandbox-init";
/// Log segments, in the state directory.
pub(crate) const LOGS: &str = "logs";
/// An empty directory in the state directory, where the instance's tree is put together in a mount namespace of its own.
pub(crate) const ROOT: &str = "root";
/// What a keeper that breaks leaves behind.
const LAST_WORDS: &str = "keeper.err";
/// Starting takes milliseconds; on a starved machine, seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the launcher hands to the keeper.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) spec: Spec,
    pub(crate) mode: Mode,
    /// Do everything but run the program: the probe.
    pub(crate) rehearsal: bool,
}

/// What comes back, once.
#[derive(Serialize, Deserialize)]
pub(crate) enum Report {
    Ready(Capabilities),
    Failed(Failure),
}

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its state directory cannot be used.
    #[error("preparing the instance's state directory")]
    State(#[source] io::Error),
    /// One is at work there already: [`Keeper::adopt`] finds it.
    #[error("a keeper is already at work in this state directory")]
    Running,
    /// The keeper's own process did not start.
    #[error("starting the keeper")]
    Keeper(#[source] io::Error),
    /// A step inside failed: confinement, or the program itself.
    #[error("starting the program")]
    Step(#[source] Failure),
}

/// Starts keepers in one mode.
#[derive(Clone, Debug)]
pub struct Launcher {
    mode: Mode,
    program: PathBuf,
}

impl Launcher {
    /// For the mode that [`crate::probe`] found, or [`Mode::Plain`].
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            program: PathBuf::from("/proc/self/exe"),
        }
    }

    /// How it confines.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Starts `spec` and returns once its program runs.
    pub async fn launch(&self, spec: Spec) -> Result<Keeper, LaunchError> {
        let launcher = self.clone();
        match tokio::task::spawn_blocking(move || launcher.launch_blocking(spec)).await {
            Ok(keeper) => keeper,
            Err(e) => Err(LaunchError::Keeper(io::Error::other(e))),
        }
    }

    /// [`Self::launch`] on this thread, for some milliseconds.
    pub fn launch_blocking(&self, mut spec: Spec) -> Result<Keeper, LaunchError> {
        // The keeper starts in another directory.
        let state_dir = std::path::absolute(&spec.state_dir).map_err(LaunchError::State)?;
        spec.state_dir.clone_from(&state_dir);
        prepare(&state_dir).map_err(LaunchError::State)?;
        if Keeper::adopt(&state_dir).is_some() {
            return Err(LaunchError::Running);
        }
        let order = Order {
            spec,
            mode: self.mode,
            rehearsal: false,
        };
        let (_, line) = self.order(&order)?;
        let keeper = Keeper::adopt(&state_dir);
        // However short the program, its keeper stays until here.
        drop(line);
        keeper.ok_or_else(|| LaunchError::Keeper(io::ErrorKind::ConnectionReset.into()))
    }

    /// Starts a keeper, and returns when its program runs. The keeper does not end before the returned line is dropped.
    pub(crate) fn order(&self, order: &Order) -> Result<(Capabilities, UnixStream), LaunchError> {
        let last_words = last_words(&order.spec.state_dir).map_err(LaunchError::State)?;
        let confines = order.mode.confines();
        let (mut ours, theirs) = UnixStream::pair().map_err(LaunchError::Keeper)?;
        let mut child = Command::new(&self.program)
            .arg0("micro")
            .args([OsString::from(SUBCOMMAND), order.spec.id.to_string().into()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(last_words)
            .spawn()
            .map_err(LaunchError::Keeper)?;
        let report = exchange(&mut ours, order);
        if report.is_err() {
            // It hangs, or is gone already.
            let _ = child.kill();
        }
        let ready = matches!(report, Ok(Report::Ready(_)));
        if confines || !ready {
            // What was started only made the keeper, or failed to.
            child.wait().map_err(LaunchError::Keeper)?;
        }
        if !ready {
            let state_dir = &order.spec.state_dir;
            cgroup::clear(state_dir, &cgroup::recorded(state_dir));
        }
        match report.map_err(LaunchError::Keeper)? {
            Report::Ready(capabilities) => Ok((capabilities, ours)),
            Report::Failed(failure) => Err(LaunchError::Step(failure)),
        }
    }
}

fn exchange(socket: &mut UnixStream, order: &Order) -> io::Result<Report> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(order).map_err(io::Error::other)?;
    line.push(b'\n');
    socket.write_all(&line)?;
    let mut report = Vec::new();
    socket.read_to_end(&mut report)?;
    if report.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without a word"));
    }
    serde_json::from_slice(&report).map_err(io::Error::other)
}

pub(crate) fn prepare(state_dir: &Path) -> io::Result<()> {
    let mut private = DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(state_dir)?;
    fs::set_permissions(state_dir, Permissions::from_mode(0o700))?;
    cgroup::clear(state_dir, &cgroup::recorded(state_dir));
    private.create(state_dir.join(LOGS))?;
    private.create(state_dir.join(ROOT))
}

fn last_words(state_dir: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(state_dir.join(LAST_WORDS))
}

/// Empty until the keeper fills it, so that an earlier run's reason is never taken for this one's.
pub(crate) fn exit_file(state_dir: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(state_dir.join(exit::FILE))
}

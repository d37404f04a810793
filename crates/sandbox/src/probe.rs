//! Finds out, with a throw-away sandbox, how this machine lets us confine.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use micro_domain::InstanceId;

use crate::{
    capabilities::Mode,
    failure::{Failure, Step},
    keeper::Keeper,
    launch::{self, LaunchError, Launcher, Order},
    spec::{Kind, Limits, Spec},
};

/// Host uids of the probe, away from those that instances get.
const PROBE_UIDS: u32 = 0x6fff_0000;

/// Why tenant code cannot be confined here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tenant code cannot be confined on this machine: {remedy}")]
pub struct ProbeFailure {
    /// What did not work.
    #[source]
    pub failure: Failure,
    /// What to do about it, for a person.
    pub remedy: &'static str,
}

/// Runs a throw-away sandbox, without a program in it: the mode that works for this user, or the step that fails. For root
/// that is never [`Mode::User`]: what runs there would have root's name outside.
/// Takes some milliseconds of the calling thread.
pub fn probe() -> Result<Mode, ProbeFailure> {
    // SAFETY: plain call.
    let root = unsafe { libc::geteuid() } == 0;
    let mode = if root { Mode::Root } else { Mode::User };
    attempt(mode).map(|()| mode).map_err(|failure| ProbeFailure {
        remedy: remedy(&failure),
        failure,
    })
}

fn attempt(mode: Mode) -> Result<(), Failure> {
    let place = Place::make().step("make a temporary directory")?;
    launch::prepare(&place.0).step("make a temporary directory")?;
    let order = Order {
        spec: spec(&place.0),
        mode,
        rehearsal: true,
    };
    let result = Launcher::new(mode).order(&order).map(|(_, line)| {
        let keeper = Keeper::adopt(&place.0);
        drop(line);
        // To its end, so that nothing of it is left in control groups or in the directory.
        keeper.map(|keeper| keeper.wait_blocking());
    });
    result.map_err(|e| match e {
        LaunchError::Step(failure) => failure,
        other => Failure {
            step: "start the keeper".to_owned(),
            reason: chain(&other),
            errno: None,
        },
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn spec(state_dir: &Path) -> Spec {
    Spec {
        id: InstanceId::new(micro_clock::Ids.random()),
        state_dir: state_dir.to_owned(),
        kind: Kind::Service,
        command: vec!["nothing".to_owned()],
        env: Vec::new(),
        cwd: "/".into(),
        binds: Vec::new(),
        limits: Limits::default(),
        doors: Vec::new(),
        uid_base: Some(PROBE_UIDS),
    }
}

/// A directory that goes away again.
struct Place(PathBuf);

impl Place {
    fn make() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "micro-probe-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        // One that exists already is somebody else's, and refused.
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path.canonicalize()?))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Left behind at worst, in a temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn remedy(failure: &Failure) -> &'static str {
    const NAMESPACES: [&str; 4] = [
        "make a user namespace",
        "make a mount namespace",
        "make namespaces",
        "map the own user",
    ];
    match (failure.step.as_str(), failure.errno) {
        (step, Some(libc::ENOSPC)) if NAMESPACES.contains(&step) => {
            "the kernel allows no more user namespaces: raise it with `sysctl user.max_user_namespaces=100000`"
        }
        (step, _) if NAMESPACES.contains(&step) => {
            "namespaces are forbidden: run the server as root with CAP_SYS_ADMIN, or as a plain user with user namespaces \
             allowed (`sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`); in a \
             container also with a seccomp profile that lets them through"
        }
        ("hand the log over" | "map the sandbox's users", _) => {
            "the container the server runs in has too few uids: give it a larger range, or run the server as a plain user"
        }
        ("mount /proc", _) => "a container masks /proc: start it with `--security-opt systempaths=unconfined`",
        ("filter system calls", _) => "the kernel lacks seccomp filters (CONFIG_SECCOMP_FILTER)",
        _ => "Linux 5.12 or newer is needed, with namespaces and a temporary directory to write to",
    }
}

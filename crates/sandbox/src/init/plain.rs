//! A keeper without confinement, for a person's own machine: the same supervision, logs and control.

use std::os::{fd::AsFd, unix::net::UnixStream};

use super::{Outside, keep::Keep, report, service};
use crate::{
    capabilities::{Capabilities, MemoryLimit, Mode},
    control,
    failure::{Failure, Step},
    launch::{Order, Report},
    sys,
};

pub(super) fn keep(order: &Order, launcher: &UnixStream) -> Result<(), Failure> {
    let outside = Outside::open(order, launcher)?;
    // What the program leaves behind becomes ours to end, however often it forks away.
    sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1).step("adopt orphans")?;
    control::listen(outside.control.as_fd()).step("listen for the server")?;
    let signals = sys::signal_fd(&[libc::SIGCHLD, libc::SIGTERM]).step("watch the program")?;
    let service = service::start(order, |_| Ok(()))?;
    let capabilities = Capabilities {
        mode: Mode::Plain,
        memory: MemoryLimit::None,
        tasks_cgroup: false,
        landlock: false,
    };
    report(launcher, &Report::Ready(capabilities));
    Keep::new(outside, signals, service, Vec::new(), capabilities, None).run();
    Ok(())
}

//! The other side of the re-exec: makes the sandbox and becomes its keeper. One thread, no runtime.

mod confined;
mod doors;
mod keep;
mod output;
mod plain;
mod service;

use std::{
    ffi::OsString,
    fs::File,
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
};

use crate::{
    capabilities::Mode,
    control,
    failure::{Failure, Step},
    launch::{self, Order, Report, SUBCOMMAND},
    logs::LogWriter,
    sys,
};

/// Becomes a keeper if the arguments say so. A binary that launches sandboxes calls this first in `main`, before it
/// reads its configuration and starts threads; `None` means that the binary is to do what it is otherwise for.
pub fn entry(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.nth(1)? != SUBCOMMAND {
        return None;
    }
    // SAFETY: standard input is the launcher's socket, and nothing else here uses it.
    let launcher = UnixStream::from(unsafe { OwnedFd::from_raw_fd(0) });
    let result = sys::close_from(3)
        .step("close the server's descriptors")
        .and_then(|()| begin(&launcher));
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&launcher, &Report::Failed(failure));
            ExitCode::FAILURE
        }
    })
}

fn begin(launcher: &UnixStream) -> Result<(), Failure> {
    let mut order = String::new();
    BufReader::new(launcher).read_line(&mut order).step("read the order")?;
    let order: Order = serde_json::from_str(&order)
        .map_err(std::io::Error::from)
        .step("understand the order")?;
    // SAFETY: plain call; it fails only for a process that leads its group already.
    unsafe { libc::setsid() };
    match order.mode {
        Mode::Plain => plain::keep(&order, launcher),
        Mode::Root | Mode::User => confined::make(&order, launcher),
    }
}

/// The launcher may be gone already; the keeper works on, to be adopted.
fn report(mut launcher: &UnixStream, report: &Report) {
    let _ = launcher.write_all(&serde_json::to_vec(report).unwrap_or_default());
    let _ = launcher.shutdown(Shutdown::Write);
}

/// What reaches out of the sandbox, opened while its host side can still be seen.
struct Outside {
    /// Open until the launcher has found the keeper.
    launcher: UnixStream,
    control: OwnedFd,
    exit: File,
    log: LogWriter,
    log_bytes: u64,
}

impl Outside {
    fn open(order: &Order, launcher: &UnixStream) -> Result<Self, Failure> {
        let dir = &order.spec.state_dir;
        let state = sys::open_dir(dir).step("open the state directory")?;
        Ok(Self {
            launcher: launcher.try_clone().step("keep the launcher's line")?,
            control: control::bind(state.as_fd()).step("make the control socket")?,
            exit: launch::exit_file(dir).step("make the exit file")?,
            log: LogWriter::open(&dir.join(launch::LOGS), order.spec.limits.log_bytes).step("open the log")?,
            log_bytes: order.spec.limits.log_bytes,
        })
    }
}

//! Root and plain user are two ways to the same promise.

use std::process::Command;

use micro_sandbox::{Mode, probe};

use crate::support::confined;

/// `nobody`.
const STRANGER: &str = "65534";

fn is_root() -> bool {
    // SAFETY: plain call.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn the_probe_finds_a_confined_mode() {
    let mode = confined().mode();
    assert!(mode.confines());
    assert_eq!(mode == Mode::Root, is_root(), "{:?}", probe());
}

/// Everything in this binary once more, by a user without rights.
#[test]
fn a_plain_user_gets_the_same() {
    if !is_root() {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::chown(home.path(), Some(65534), Some(65534)).expect("handed over");
    let run = Command::new("setpriv")
        .args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"])
        .arg(std::env::current_exe().expect("this binary"))
        .env("TMPDIR", home.path())
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("setpriv is part of util-linux");
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{out}\n{err}");
}

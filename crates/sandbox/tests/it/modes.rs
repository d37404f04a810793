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
    // Where it was built may be a folder that only root may enter.
    let copy = home.path().join("it");
    std::fs::copy(std::env::current_exe().expect("this binary"), &copy).expect("copied");
    let run = Command::new("setpriv")
        .args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"])
        .arg(copy)
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

/// What the probe says when it is run by way of `command`.
fn probe_through(command: &[&str]) -> String {
    let exe = std::env::current_exe().expect("this binary");
    let run = Command::new(command[0])
        .args(&command[1..])
        .arg(exe)
        .args(["role", "probe"])
        .output()
        .expect("a tool");
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn a_refusal_names_the_step_and_the_remedy() {
    // Root of a container without a range of uids of its own.
    let said = probe_through(&["unshare", "--user", "--map-root-user"]);
    assert!(
        said.starts_with("hand the log over: ") && said.contains("too few uids"),
        "{said}"
    );
    if is_root() {
        let said = probe_through(&["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]);
        assert!(
            said.starts_with("make a mount namespace: ") && said.contains("CAP_SYS_ADMIN"),
            "{said}"
        );
    }
}

//! The `micro-admin` binary against a door with canned answers.

mod door;

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use door::{Door, SECRET};
use tempfile::TempDir;

/// stdout, stderr, exit code
type Ended = (String, String, i32);

struct Terminal<'d> {
    home: TempDir,
    door: &'d Door,
}

impl<'d> Terminal<'d> {
    fn at(door: &'d Door) -> Self {
        Self {
            home: TempDir::new().expect("a home"),
            door,
        }
    }

    fn run_with(&self, args: &[&str], input: &str) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_micro-admin"))
            .args(["--address", &self.door.address()])
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        // A command may end before it has read everything.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("ended");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (
            text(output.stdout),
            text(output.stderr),
            output.status.code().unwrap_or(-1),
        )
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "")
    }

    fn log_in(&self) {
        let (out, err, exit) = self.run_with(&["login"], &format!("{SECRET}\n"));
        assert_eq!(out, "Logged in as admin (admin) until 2100-01-01T00:00:00Z.\n");
        assert_eq!((err.as_str(), exit), ("Operator secret: \n", 0));
    }
}

#[test]
fn a_login_is_kept_in_a_private_file() {
    let door = Door::start();
    let ops = Terminal::at(&door);
    let nobody = format!("Not logged in at {}. Please run `micro-admin login`.\n", door.address());
    assert_eq!(ops.run(&["customers", "list"]), (String::new(), nobody, 2));
    ops.log_in();
    let file = ops.home.path().join(".micro/admin.json");
    assert_eq!(
        std::fs::metadata(&file).expect("is there").permissions().mode() & 0o777,
        0o600
    );
    assert!(
        !std::fs::read_to_string(file).expect("text").contains(SECRET),
        "only the token is kept"
    );
    assert_eq!(ops.run(&["customers", "list"]).2, 0);
}

#[test]
fn a_wrong_secret_and_a_missing_one_are_told() {
    let door = Door::start();
    let ops = Terminal::at(&door);
    let (_, err, exit) = ops.run_with(&["login"], "nope\n");
    assert!(
        err.ends_with("That operator secret is not known\n") && exit == 1,
        "{err}"
    );
    let (_, err, exit) = ops.run(&["login"]);
    assert!(
        err.ends_with("no more input: pass the secret on stdin\n") && exit == 1,
        "{err}"
    );
}

#[test]
fn customers_and_namespaces_are_tables_or_json() {
    let door = Door::start();
    let ops = Terminal::at(&door);
    ops.log_in();
    let customers = "EMAIL             NAMESPACE           ACCOUNT   SUBSCRIPTION   CREATED\n\
                     ada@example.com   amber-otter-drift   ada       active         2026-01-01T00:00:00Z\n";
    assert_eq!(
        ops.run(&["customers", "list"]),
        (customers.into(), "There are more: --cursor next\n".into(), 0)
    );
    let (json, ..) = ops.run(&["-o", "json", "customers", "show", "ada@example.com"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["subscription_status"], "active");
    let (shown, _, exit) = ops.run(&["namespaces", "show", "amber-otter-drift"]);
    assert!(
        shown.starts_with("name     amber-otter-drift\n") && shown.ends_with(customers) && exit == 0,
        "{shown}"
    );
    let (listed, _, exit) = ops.run(&["namespaces", "list"]);
    assert!(
        listed.starts_with("NAME                ID     STATE    CREATED\n") && exit == 0,
        "{listed}"
    );
}

#[test]
fn a_job_is_retried_for_a_reason() {
    let door = Door::start();
    let ops = Terminal::at(&door);
    ops.log_in();
    let (listed, _, exit) = ops.run(&["jobs", "list", "--state", "parked"]);
    assert!(listed.contains("job-1   mail   parked   20") && exit == 0, "{listed}");
    let (_, err, exit) = ops.run(&["jobs", "retry", "job-1"]);
    assert!(err.contains("--reason") && exit == 1, "{err}");
    assert_eq!(
        ops.run(&["jobs", "retry", "job-1", "--reason", "it is back"]),
        (String::new(), "job-1 is due now.\n".into(), 0)
    );
    assert_eq!(door.retried(), ["job-1: it is back"]);
    let refused = ops.run(&["jobs", "retry", "job-2", "--reason", "x"]);
    assert_eq!(
        refused,
        (
            String::new(),
            "the job is running, or there is none of that id\n".into(),
            127
        )
    );
}

#[test]
fn secrets_are_sealed_anew_and_what_fails_is_told() {
    let door = Door::start();
    let ops = Terminal::at(&door);
    ops.log_in();
    let rotate = |reason: &str| ops.run(&["secrets", "rotate", "--reason", reason]);
    let anew = "amber-otter-drift: 3 sealed anew\n";
    let (out, err, exit) = rotate("the yearly rotation");
    let said = "2 namespaces, 3 secrets sealed anew, 0 namespaces failed\n";
    assert_eq!((out.as_str(), err.as_str(), exit), (said, anew, 0));

    let (out, err, exit) = rotate("gone");
    assert!(out.ends_with("1 namespaces failed\n") && exit == 1, "{out}");
    let kept = "brisk-birch-bell: this server has no key 1234\nKeep the keys before until no namespace fails.\n";
    assert_eq!(err, format!("{anew}{kept}"));

    let (out, err, exit) = rotate("cut");
    assert!(
        out.is_empty() && err.ends_with("It ended early: run it again with --cursor 7.x.\n") && exit != 0,
        "{out} {err}"
    );
    let (_, err, exit) = ops.run(&["secrets", "rotate"]);
    assert!(err.contains("--reason") && exit == 1, "{err}");
    let (json, ..) = ops.run(&["-o", "json", "secrets", "rotate", "--reason", "x"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json, serde_json::json!({"namespaces": 2, "sealed": 3, "failed": 0}));
}

//! The real git against the double.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

struct Host {
    process: Child,
    address: String,
}

impl Host {
    fn start(root: &Path, more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_git-double"))
            .arg(root)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the double starts");
        let mut address = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut address)
            .expect("it prints its address");
        Self {
            process,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn git(folder: &Path, args: &[&str]) -> Output {
    Command::new("git")
        .args([
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .expect("git is installed")
}

fn done(folder: &Path, args: &[&str]) -> String {
    let output = git(folder, args);
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn repository(root: &Path) {
    let work = root.join("work");
    std::fs::create_dir(&work).expect("a folder");
    done(&work, &["init", "-q"]);
    for words in ["first", "second"] {
        std::fs::write(work.join("words"), words).expect("written");
        done(&work, &["add", "-A"]);
        done(&work, &["commit", "-q", "-m", words]);
    }
    done(root, &["clone", "-q", "--bare", "work", "greeter.git"]);
}

#[test]
fn shallow_clones_and_single_commits_are_served() {
    let root = tempfile::tempdir().expect("a folder");
    repository(root.path());
    let host = Host::start(root.path(), &[]);
    let url = format!("{}/greeter.git", host.address);
    done(root.path(), &["clone", "-q", "--depth", "1", &url, "copy"]);
    assert_eq!(
        std::fs::read_to_string(root.path().join("copy/words")).expect("there"),
        "second"
    );
    let first = done(&root.path().join("work"), &["rev-parse", "HEAD~1"]);
    done(
        &root.path().join("copy"),
        &["fetch", "-q", "--depth", "1", "origin", &first],
    );
    assert!(
        !git(root.path(), &["clone", "-q", &format!("{}/nothing.git", host.address)])
            .status
            .success()
    );
}

#[test]
fn a_private_host_asks_for_the_password() {
    let root = tempfile::tempdir().expect("a folder");
    repository(root.path());
    let host = Host::start(root.path(), &["--password", "ada:pw"]);
    let url = format!("{}/greeter.git", host.address);
    assert!(!git(root.path(), &["ls-remote", &url]).status.success());
    done(
        root.path(),
        &[
            "-c",
            "http.extraHeader=Authorization: Basic YWRhOnB3",
            "ls-remote",
            &url,
        ],
    );
}

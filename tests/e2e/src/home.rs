//! A person's terminal: a home directory and the `micro` command in it.

use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::platform::eventually;

/// How long any one command may take: a first build included.
const COMMAND: Duration = Duration::from_secs(300);

/// A home directory.
pub struct Home {
    dir: TempDir,
    micro: PathBuf,
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Output {
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
    /// 0 is well.
    pub exit: i32,
}

impl Output {
    /// Fails unless the command exited with 0.
    pub fn ok(self) -> Result<Self> {
        ensure!(
            self.exit == 0,
            "exit {}\nstdout: {}\nstderr: {}",
            self.exit,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }
}

impl Home {
    /// An empty one.
    pub fn new(micro: PathBuf) -> Result<Self> {
        Ok(Self {
            dir: tempfile::Builder::new().prefix("micro-home").tempdir()?,
            micro,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.micro);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, with nothing to read.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        self.start_with(args, Stdio::null())?.finish()
    }

    /// The same in another folder than the test's own.
    pub fn run_in(&self, folder: &Path, args: &[&str]) -> Result<Output> {
        let mut command = self.command(args);
        command.current_dir(folder);
        Self::spawn(command, args, Stdio::null())?.finish()
    }

    /// Starts a command that will be talked to.
    pub fn start(&self, args: &[&str]) -> Result<Talk> {
        self.start_with(args, Stdio::piped())
    }

    fn start_with(&self, args: &[&str], stdin: Stdio) -> Result<Talk> {
        Self::spawn(self.command(args), args, stdin)
    }

    fn spawn(mut command: Command, args: &[&str], stdin: Stdio) -> Result<Talk> {
        let mut child = command
            .stdin(stdin)
            .spawn()
            .with_context(|| format!("micro {args:?}"))?;
        let stdout = Listener::new(child.stdout.take().context("piped")?);
        let stderr = Listener::new(child.stderr.take().context("piped")?);
        let stdin = child.stdin.take();
        Ok(Talk {
            child,
            stdin,
            stdout,
            stderr,
            what: args.join(" "),
        })
    }
}

/// A command that runs.
pub struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Listener,
    stderr: Listener,
    what: String,
}

impl Talk {
    /// Types a line.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("nothing to type into")?;
        writeln!(stdin, "{line}").with_context(|| format!("micro {} listens no more: {}", self.what, self.seen()))
    }

    /// Waits for `text` on either stream; everything printed so far.
    pub fn expect(&mut self, text: &str) -> Result<String> {
        eventually(
            &format!("micro {} says {text:?}; it said {}", self.what, self.seen()),
            COMMAND,
            || {
                let seen = self.seen();
                if seen.contains(text) {
                    return Ok(Some(seen));
                }
                if let Some(status) = self.child.try_wait()? {
                    let seen = self.seen();
                    ensure!(
                        seen.contains(text),
                        "micro {} ended with {status} before saying {text:?}: {seen}",
                        self.what
                    );
                }
                Ok(None)
            },
        )
    }

    /// Everything printed so far.
    pub fn seen(&self) -> String {
        format!("{}{}", self.stdout.text(), self.stderr.text())
    }

    /// The process, to signal it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its input and waits for its end.
    pub fn finish(mut self) -> Result<Output> {
        drop(self.stdin.take());
        self.wait()
    }

    /// Waits for its end with its input still open.
    pub fn wait(mut self) -> Result<Output> {
        let mut ended: Option<ExitStatus> = None;
        let waited = eventually("its end", COMMAND, || {
            ended = self.child.try_wait()?;
            Ok(ended.map(|_| ()))
        });
        if waited.is_err() {
            self.child.kill()?;
            self.child.wait()?;
            bail!("micro {} hangs: {}", self.what, self.seen());
        }
        // As a shell says it: a process ended by a signal has 128 and its number.
        let exit = ended
            .and_then(|s| s.code().or_else(|| s.signal().map(|n| 128 + n)))
            .unwrap_or(-1);
        Ok(Output {
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            exit,
        })
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Collects one stream of a child.
struct Listener {
    text: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    fn new(mut from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(vec![]));
        let into = text.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                into.lock()
                    .expect("no panic while holding it")
                    .extend_from_slice(&buffer[..n]);
            }
        });
        Self {
            text,
            thread: Some(thread),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no panic while holding it")).into_owned()
    }

    fn finish(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        self.text()
    }
}

//! Processes of a test's own, and waiting for what they do.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// A child that never outlives the test.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    /// Starts it and reads its first line of output.
    pub fn start_and_read_line(command: &mut Command) -> Result<(Self, String)> {
        let mut process = Self::start(command)?;
        let mut line = String::new();
        BufReader::new(process.child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
        ensure!(
            !line.is_empty(),
            "{:?} ended before it said anything",
            command.get_program()
        );
        Ok((process, line))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it without a word.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end, or kills it.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > within {
                self.child.kill()?;
                self.child.wait()?;
                bail!("still running after {within:?}");
            }
            pause();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Sends a signal by name to one process of ours.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()?;
    ensure!(sent.success(), "kill -{name} {pid}: {sent}");
    Ok(())
}

/// Sends a signal by name to a process that leads a group, and to all in it.
pub fn signal_group(leader: u32, name: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), "--", &format!("-{leader}")])
        .status()?;
    ensure!(sent.success(), "kill -{name} -{leader}: {sent}");
    Ok(())
}

/// Polls until the answer is there.
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(began.elapsed() < within, "not after {within:?}: {what}");
        pause();
    }
}

/// Between two looks at something that another process does.
pub(crate) fn pause() {
    std::thread::park_timeout(Duration::from_millis(5));
}

//! Programs that run beside this one, and end with it.

use std::{
    fs::File,
    future::Future,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::cores;

/// A program that runs. Dropping it ends it.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program with its output in a file, on one core or on any. It dies with the thread that started it.
    pub fn start(command: &mut Command, log: &Path, core: Option<usize>) -> Result<Self> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let before_exec = move || {
            // SAFETY: a system call with constants.
            if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
                return Err(io::Error::last_os_error());
            }
            core.map_or(Ok(()), cores::stay_on)
        };
        // SAFETY: between fork and exec it makes system calls only, and allocates nothing.
        unsafe { command.pre_exec(before_exec) };
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("starting {program}"))?;
        Ok(Self { child })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(&mut self) -> Result<()> {
        // SAFETY: a signal to a child that was not waited for yet.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        eventually("the process ends", Duration::from_secs(30), || {
            let ended = self.child.try_wait();
            async move { Ok(ended?.map(drop)) }
        })
        .await
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it ended: {status}"),
            None => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Looks every millisecond until there is something.
pub async fn eventually<T, R>(what: &str, within: Duration, mut look: impl FnMut() -> R) -> Result<T>
where
    R: Future<Output = Result<Option<T>>>,
{
    let until = Instant::now() + within;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > until {
            bail!("{what}: not within {within:?}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

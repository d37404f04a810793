//! Which core does what: the server under test has one for itself, load and backend share another.

use std::{future::Future, io, mem, thread};

use anyhow::{Context, Result};

/// Cores of this machine that this process may use.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// For the server under test.
    pub server: usize,
    /// For everything that is not measured.
    pub rest: usize,
}

impl Cores {
    /// The first two; with only one, everything shares it.
    pub fn split() -> Result<Self> {
        let mut set = empty();
        // SAFETY: the set is ours and of the size that is said.
        let read = unsafe { libc::sched_getaffinity(0, mem::size_of_val(&set), &mut set) };
        if read != 0 {
            return Err(io::Error::last_os_error()).context("asking for the cores");
        }
        // SAFETY: looks at a set within its size.
        let mut usable = (0..libc::CPU_SETSIZE as usize).filter(|core| unsafe { libc::CPU_ISSET(*core, &set) });
        let server = usable.next().context("no core at all")?;
        Ok(Self {
            server,
            rest: usable.next().unwrap_or(server),
        })
    }
}

/// Keeps this thread, and what it starts from now on, on one core.
pub fn stay_on(core: usize) -> io::Result<()> {
    let mut set = empty();
    // SAFETY: `core` is below the set's size, for it came out of one.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the set is of the size that is said.
    match unsafe { libc::sched_setaffinity(0, mem::size_of_val(&set), &set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Runs a future to its end on a thread of its own that stays on one core, and waits for it.
pub async fn on_core<T, M, F>(core: usize, make: M) -> Result<T>
where
    T: Send + 'static,
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T>>,
{
    let (tell, told) = tokio::sync::oneshot::channel();
    thread::Builder::new().name("load".into()).spawn(move || {
        let run = || {
            stay_on(core).context("staying on a core")?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(make())
        };
        // Whoever asked may have given up.
        let _given_up = tell.send(run());
    })?;
    told.await.context("the load generator panicked")?
}

fn empty() -> libc::cpu_set_t {
    // SAFETY: a set of bits, of which none is set.
    unsafe { mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_stays_where_it_is_told() {
        let cores = Cores::split().expect("some");
        let seen = on_core(cores.rest, || async { Cores::split() }).await.expect("ran");
        assert_eq!((seen.server, seen.rest), (cores.rest, cores.rest));
        assert_eq!(Cores::split().expect("some").server, cores.server, "this one is free");
    }
}

//! What processes spend: user and system time of all their threads, from `/proc`.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};

/// Whose time counts.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// One process.
    Process(u32),
    /// A process and its children, those that have ended included: a PostgreSQL server.
    Family(u32),
    /// This one.
    Own,
}

/// A reading of the meter.
pub struct Cpu {
    whose: Whose,
    ticks: u64,
}

impl Cpu {
    /// Begins to measure.
    pub fn of(whose: Whose) -> Result<Self> {
        let ticks = ticks(whose)?;
        Ok(Self { whose, ticks })
    }

    /// Microseconds that were spent since.
    pub fn micros(&self) -> Result<f64> {
        let ticks = ticks(self.whose)?.saturating_sub(self.ticks);
        // SAFETY: takes a constant and returns a number.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Ok(ticks as f64 * 1e6 / per_second as f64)
    }

    /// Microseconds that were spent since for each of so many operations; none where nothing was done.
    pub fn micros_each(&self, operations: u64) -> Result<Option<f64>> {
        let micros = self.micros()?;
        Ok((operations > 0).then(|| micros / operations as f64))
    }
}

/// Nanoseconds that this thread has spent so far: what else the machine does is left out.
pub fn thread_nanos() -> Result<u64> {
    let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes into a value of ours.
    match unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut spent) } {
        0 => Ok(spent.tv_sec as u64 * 1_000_000_000 + spent.tv_nsec as u64),
        _ => Err(io::Error::last_os_error()).context("asking for the thread's time"),
    }
}

fn ticks(whose: Whose) -> Result<u64> {
    match whose {
        Whose::Own => Ok(Stat::of(std::process::id())?.own),
        Whose::Process(pid) => Ok(Stat::of(pid)?.own),
        Whose::Family(pid) => {
            let parent = Stat::of(pid)?;
            Ok(parent.own + parent.ended_children + children(pid)?)
        }
    }
}

fn children(parent: u32) -> Result<u64> {
    let processes = fs::read_dir("/proc")?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // One that ends meanwhile counts with its parent's ended children at the next reading.
    let stats = pids.filter_map(|pid| Stat::of(pid).ok());
    Ok(stats.filter(|stat| stat.parent == parent).map(|stat| stat.own).sum())
}

/// What `/proc/PID/stat` says.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let path = Path::new("/proc").join(pid.to_string()).join("stat");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::read(&text).with_context(|| format!("{} reads strangely", path.display()))
    }

    fn read(text: &str) -> Option<Self> {
        // The name may contain anything, a closing bracket too: what follows the last one counts.
        let (_, after) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            own: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_past_any_name() {
        let text = "42 (a) b) (c) S 7 42 42 0 -1 4194560 1 0 0 0 30 12 5 6 20 0 4 0 100 1 1";
        let read = Stat::read(text).expect("well formed");
        let expected = Stat {
            parent: 7,
            own: 42,
            ended_children: 11,
        };
        assert_eq!(read, expected);
        assert_eq!(Stat::read("42 (x"), None);
    }

    #[test]
    fn work_is_seen() {
        let cpu = Cpu::of(Whose::Own).expect("a reading");
        let began = std::time::Instant::now();
        // At least some ticks, however busy the machine is.
        while cpu.micros().expect("a reading") < 30_000.0 {
            assert!(began.elapsed().as_secs() < 60, "the meter stands still");
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
        assert_eq!(cpu.micros_each(0).expect("a reading"), None);
    }
}

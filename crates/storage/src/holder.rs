//! Who holds a lease or a claim: this process, told apart from every other one, so that a dead one's is taken over.

use std::fmt;

use micro_clock::Ids;

/// One holder: a machine, one boot of it, a process, and what tells two holders of that process apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    machine: String,
    boot: String,
    pid: u32,
    /// When the process started, in the kernel's ticks: ids of processes come round again.
    started: String,
    nonce: String,
}

impl Holder {
    /// A new holder in this process.
    pub fn here() -> Self {
        let pid = std::process::id();
        Self {
            machine: read("/etc/machine-id"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid,
            started: started(pid).unwrap_or_default(),
            nonce: Ids.random().simple().to_string(),
        }
    }

    /// Whether that holder is known to be gone. One on another machine is not known to be: its lease expires.
    pub fn is_dead(text: &str) -> bool {
        let here = Self::here();
        let Some(that) = Self::parse(text) else { return false };
        let same_boot = !here.boot.is_empty() && that.boot == here.boot;
        let same_machine = !here.machine.is_empty() && that.machine == here.machine;
        match (same_machine, same_boot) {
            (_, true) => started(that.pid).is_none_or(|started| started != that.started),
            // A boot of this machine that is over. Containers share neither, and wait.
            (true, false) => !here.boot.is_empty() && !that.boot.is_empty(),
            (false, false) => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(str::to_owned);
        let holder = Self {
            machine: parts.next()?,
            boot: parts.next()?,
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?,
            nonce: parts.next()?,
        };
        parts.next().is_none().then_some(holder)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            machine,
            boot,
            pid,
            started,
            nonce,
        } = self;
        write!(f, "{machine}/{boot}/{pid}/{started}/{nonce}")
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .replace('/', "")
}

/// Field 22 of `/proc/<pid>/stat`; the name in field 2 may hold anything, up to its last parenthesis.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_dead_and_an_ended_one_is() {
        let here = Holder::here();
        assert_eq!(Holder::parse(&here.to_string()), Some(here.clone()));
        assert!(!Holder::is_dead(&here.to_string()));
        let mut child = std::process::Command::new("true").spawn().expect("runs");
        let gone = Holder {
            pid: child.id(),
            started: "1".into(),
            ..here.clone()
        };
        child.wait().expect("ends");
        assert!(Holder::is_dead(&gone.to_string()));
        assert!(
            Holder::is_dead(
                &Holder {
                    started: "1".into(),
                    ..here.clone()
                }
                .to_string()
            ),
            "an id come round again"
        );
        let elsewhere = Holder {
            machine: "other".into(),
            boot: "other".into(),
            ..here
        };
        assert!(!Holder::is_dead(&elsewhere.to_string()));
        assert!(!Holder::is_dead("nonsense"));
    }
}

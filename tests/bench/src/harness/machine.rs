//! On what all this was measured.

use std::fs;

use serde::Serialize;

/// The machine, as far as it explains the figures.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// As the system names it.
    pub processor: String,
    /// How many may be used.
    pub cores: usize,
    /// In whole gigabytes.
    pub memory_gigabytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Tasks that were running over the last minute: others' work, if more than one at the start.
    pub load: String,
    /// Whether the harness was built with optimisations.
    pub optimised: bool,
}

impl Machine {
    /// This one, now.
    pub fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
            .unwrap_or(0);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gigabytes: memory >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: Some Processor: fast\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some Processor: fast"));
        assert_eq!(field(text, "name"), None);
        assert!(Machine::look().cores > 0);
    }
}

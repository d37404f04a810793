//! How much memory a process holds.

use std::fs;

use anyhow::{Context, Result};

/// Bytes of a process that are in memory (`VmRSS`), what it shares with others included.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    read(&status).with_context(|| format!("{path} has no VmRSS"))
}

fn read(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_size_is_read() {
        assert_eq!(read("Name:\tx\nVmRSS:\t    1024 kB\nThreads:\t1\n"), Some(1 << 20));
        assert_eq!(read("Name:\tx\n"), None);
        assert!(resident_bytes(std::process::id()).expect("ours") > 1 << 20);
    }
}

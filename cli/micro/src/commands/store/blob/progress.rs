//! How far a file is, on one line that replaces itself.

use crate::out::Out;

/// Tells how many bytes of how many.
pub struct Progress<'o> {
    out: &'o Out,
    what: &'o str,
    of: u64,
    told: Option<u64>,
}

impl<'o> Progress<'o> {
    pub fn new(out: &'o Out, what: &'o str, of: u64) -> Self {
        Self {
            out,
            what,
            of,
            told: None,
        }
    }

    /// So many are done.
    pub fn at(&mut self, bytes: u64) {
        let percent = bytes * 100 / self.of.max(1);
        if self.told != Some(percent) {
            self.told = Some(percent);
            let line = format!("{}  {} of {}  {percent}%", self.what, size(bytes), size(self.of));
            self.out.progress(&line);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.out.progress_done();
    }
}

/// Bytes as people read them: `3.4 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}

//! The program's output: bytes to lines, and no more of them than its log may hold.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    time::Instant,
};

use time::OffsetDateTime;

use crate::{
    logs::{LONGEST_LINE, LogWriter, Stream},
    sys,
};

/// One of its two pipes.
pub(super) struct Output {
    pipe: OwnedFd,
    stream: Stream,
    line: Vec<u8>,
}

/// What reading a pipe came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// There may be more at once.
    More,
    /// Nothing for now.
    Dry,
    /// Every writer has closed it.
    Ended,
}

impl Output {
    pub(super) fn new(pipe: OwnedFd, stream: Stream) -> Self {
        Self {
            pipe,
            stream,
            line: Vec::new(),
        }
    }

    pub(super) fn raw(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }

    /// Moves what is there, up to 64 KiB, into the log.
    pub(super) fn pump(&mut self, now: OffsetDateTime, log: &mut Meter) -> io::Result<Flow> {
        let mut buffer = [0; 64 << 10];
        let Some(length) = sys::read(self.pipe.as_fd(), &mut buffer)? else {
            return Ok(Flow::Dry);
        };
        if length == 0 {
            self.finish(now, log);
            return Ok(Flow::Ended);
        }
        for part in buffer[..length].split_inclusive(|b| *b == b'\n') {
            let line = part.strip_suffix(b"\n");
            self.gather(line.unwrap_or(part), now, log);
            if line.is_some() {
                log.line(now, self.stream, &self.line);
                self.line.clear();
            }
        }
        Ok(if length == buffer.len() { Flow::More } else { Flow::Dry })
    }

    /// Adds to the line, and cuts it where it gets too long.
    fn gather(&mut self, mut bytes: &[u8], now: OffsetDateTime, log: &mut Meter) {
        while self.line.len() + bytes.len() > LONGEST_LINE {
            let (fits, rest) = bytes.split_at(LONGEST_LINE - self.line.len());
            self.line.extend_from_slice(fits);
            log.line(now, self.stream, &self.line);
            self.line.clear();
            bytes = rest;
        }
        self.line.extend_from_slice(bytes);
    }

    /// A last line without an end is a line too.
    pub(super) fn finish(&mut self, now: OffsetDateTime, log: &mut Meter) {
        if !self.line.is_empty() {
            log.line(now, self.stream, &std::mem::take(&mut self.line));
        }
    }
}

/// A log with an allowance: half its size at once, and then so much a second, or else a spammer would rotate its own
/// history away within seconds.
pub(super) struct Meter {
    log: LogWriter,
    tokens: u64,
    burst: u64,
    per_second: u64,
    filled: Instant,
    dropped: u64,
    /// Lines that never reached the disk. They are a gap in the sequence as well.
    failed: bool,
}

impl Meter {
    pub(super) fn new(log: LogWriter, log_bytes: u64, now: Instant) -> Self {
        let burst = (log_bytes / 2).max(2 * LONGEST_LINE as u64);
        Self {
            log,
            tokens: burst,
            burst,
            per_second: burst / 32,
            filled: now,
            dropped: 0,
            failed: false,
        }
    }

    fn line(&mut self, now: OffsetDateTime, stream: Stream, line: &[u8]) {
        let cost = line.len() as u64 + 32;
        // Once shut, it opens again for a second's worth, or there would be more words about drops than lines.
        let least = if self.dropped > 0 {
            self.per_second.max(cost)
        } else {
            cost
        };
        if self.tokens < least {
            self.dropped += 1;
            return;
        }
        self.tokens -= cost;
        self.own_up(now);
        self.write(now, stream, line);
    }

    /// The platform's own words, outside the allowance.
    pub(super) fn system(&mut self, now: OffsetDateTime, text: &str) {
        self.own_up(now);
        self.write(now, Stream::System, text.as_bytes());
    }

    fn own_up(&mut self, now: OffsetDateTime) {
        if self.dropped > 0 {
            let text = format!("{} lines dropped: more was written than the log may take", self.dropped);
            self.dropped = 0;
            self.write(now, Stream::System, text.as_bytes());
        }
    }

    fn write(&mut self, now: OffsetDateTime, stream: Stream, line: &[u8]) {
        self.failed |= self.log.append(now, stream, line).is_err();
    }

    /// Whether somebody took its directory away.
    pub(super) fn is_removed(&self) -> bool {
        self.log.is_removed()
    }

    /// Refills the allowance.
    pub(super) fn tick(&mut self, now: Instant) {
        let milliseconds = now.duration_since(self.filled).as_millis() as u64;
        let earned = self.per_second.saturating_mul(milliseconds) / 1000;
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(self.burst);
            self.filled = now;
        }
    }

    /// Hands everything to the kernel, and says once that some could not be kept.
    pub(super) fn flush(&mut self, now: OffsetDateTime) {
        self.failed |= self.log.flush().is_err();
        if std::mem::take(&mut self.failed) {
            let text = "lines lost: the log could not be written";
            // If this does not work either, the gap in the sequence tells.
            let _ = self
                .log
                .append(now, Stream::System, text)
                .and_then(|_| self.log.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::logs::{Entry, LogReader};

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn a_spammer_keeps_the_beginning_and_learns_how_much_was_dropped() {
        let dir = tempfile::tempdir().expect("a directory");
        let begun = Instant::now();
        let log = LogWriter::open(dir.path(), 1 << 20).expect("a log");
        let mut meter = Meter::new(log, 1 << 20, begun);
        for _ in 0..100_000 {
            meter.line(AT, Stream::Stdout, &[b'x'; 100]);
        }
        meter.tick(begun + Duration::from_secs(60));
        meter.line(AT, Stream::Stdout, b"calm again");
        meter.flush(AT);

        let entries = LogReader::from(dir.path(), 0).read(usize::MAX).expect("readable");
        let kept = (512 << 10) / 132;
        let Some(Entry::Line(word)) = entries.get(kept) else {
            panic!("{} entries", entries.len())
        };
        assert_eq!(
            word.text,
            format!(
                "{} lines dropped: more was written than the log may take",
                100_000 - kept
            )
        );
        assert!(matches!(entries.last(), Some(Entry::Line(last)) if last.text == "calm again"));
    }
}

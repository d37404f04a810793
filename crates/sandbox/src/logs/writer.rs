//! Appends to a log directory and keeps it within its bound.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

use time::OffsetDateTime;

use super::{
    LONGEST_LINE, Stream,
    reader::last_sequence,
    record,
    segments::{self, Segment},
};
use crate::sys;

/// A log is kept in this many segments; the oldest goes first.
const SEGMENTS: u64 = 8;
/// Lines are gathered up to here before they are written.
const BATCH: usize = 64 << 10;

/// The one writer of a log directory: the keeper's, or the server's for its own words and for builds before there is one.
#[derive(Debug)]
pub struct LogWriter {
    dir: OwnedFd,
    /// Opened at the first write, by whoever then is the writer.
    file: Option<File>,
    next: u64,
    kept: VecDeque<Segment>,
    most_bytes: u64,
    batch: Vec<u8>,
    batch_first: u64,
}

impl LogWriter {
    /// Goes on where the directory's last record ends. Fails with `WouldBlock` while another writer has it.
    pub fn open(dir: &Path, most_bytes: u64) -> io::Result<Self> {
        let opened = sys::open_dir(dir)?;
        // SAFETY: plain numbers. The lock belongs to the open directory, so a keeper that inherits it keeps it.
        sys::check(unsafe { libc::flock(opened.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
        let kept: VecDeque<_> = segments::list(dir)?.into();
        let next = last_sequence(dir)? + 1;
        Ok(Self {
            dir: opened,
            file: None,
            next,
            kept,
            most_bytes,
            batch: Vec::new(),
            batch_first: next,
        })
    }

    /// Adds text as one record a line (longer than 16 KiB: as several), and returns the sequence of the last.
    /// It is on its way to disk after [`Self::flush`], which happens by itself every 64 KiB.
    pub fn append(&mut self, at: OffsetDateTime, stream: Stream, text: impl AsRef<[u8]>) -> io::Result<u64> {
        let text = text.as_ref();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        for line in text.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.push(at, stream, &line[..line.len().min(LONGEST_LINE)])?;
            for rest in line.get(LONGEST_LINE..).unwrap_or_default().chunks(LONGEST_LINE) {
                self.push(at, stream, rest)?;
            }
        }
        Ok(self.next - 1)
    }

    fn push(&mut self, at: OffsetDateTime, stream: Stream, line: &[u8]) -> io::Result<()> {
        record::encode(&mut self.batch, self.next, at, stream, line);
        self.next += 1;
        if self.batch.len() >= BATCH {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Hands what was gathered to the kernel. What a full disk refuses is lost, and shows as a gap.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let written = self.write_batch();
        self.batch.clear();
        self.batch_first = self.next;
        if written.is_err() {
            // Half a record may stand at its end: readers only go past it if a newer segment follows.
            self.file = None;
        }
        written
    }

    /// Whether the directory has been deleted under it.
    pub(crate) fn is_removed(&self) -> bool {
        // SAFETY: all zero is a valid status, which the kernel overwrites.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: room for one status.
        sys::check(unsafe { libc::fstat(self.dir.as_raw_fd(), &mut status) }).is_ok() && status.st_nlink == 0
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let full = self.kept.back().is_none_or(|s| s.bytes >= self.most_bytes / SEGMENTS);
        if self.file.is_none() || full {
            self.make_segment()?;
        }
        let (Some(file), Some(segment)) = (self.file.as_mut(), self.kept.back_mut()) else {
            return Err(io::Error::other("a log without a segment"));
        };
        file.write_all(&self.batch)?;
        segment.bytes += self.batch.len() as u64;
        Ok(())
    }

    fn make_segment(&mut self) -> io::Result<()> {
        self.make_room();
        let name = sys::c_string(segments::name(self.batch_first).as_bytes())?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_TRUNC | libc::O_NOFOLLOW;
        self.file = Some(sys::open_at(self.dir.as_fd(), &name, flags, 0o600)?.into());
        // The same name again: a segment that only ever held half a record.
        if self.kept.back().is_none_or(|s| s.first != self.batch_first) {
            self.kept.push_back(Segment {
                first: self.batch_first,
                bytes: 0,
            });
        }
        Ok(())
    }

    /// Removes the oldest segments until one more fits.
    fn make_room(&mut self) {
        let allowed = self.most_bytes - self.most_bytes / SEGMENTS;
        while self.kept.len() as u64 >= 8 * SEGMENTS || self.kept.iter().map(|s| s.bytes).sum::<u64>() > allowed {
            let Some(oldest) = self.kept.pop_front() else { return };
            if let Ok(name) = sys::c_string(segments::name(oldest.first).as_bytes()) {
                // SAFETY: `name` ends in NUL. That it is gone already is fine.
                unsafe { libc::unlinkat(self.dir.as_raw_fd(), name.as_ptr(), 0) };
            }
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // Nobody is left to tell of a full disk; the gap will.
        let _ = self.flush();
    }
}

//! Reads a log directory from a sequence on, and follows it.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Record,
    record::{Decoded, decode},
    segments::{self, Segment},
    watch::Watch,
};

/// What a reader meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line.
    Line(Record),
    /// So many lines were there, and are gone: removed to stay within the bound, or lost to a full disk.
    Gap {
        /// How many.
        missed: u64,
    },
}

/// Bytes read ahead at a time.
const CHUNK: usize = 256 << 10;

/// A place in a log, moving forward.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    wanted: u64,
    at: Option<Place>,
    watch: Option<Watch>,
}

/// Where reading stands within a segment.
#[derive(Debug)]
struct Place {
    first: u64,
    file: File,
    /// Read, not yet decoded, from `start`.
    bytes: Vec<u8>,
    start: usize,
}

impl LogReader {
    /// Starts at the record `sequence` (0 and 1 are the beginning).
    pub fn from(dir: impl Into<PathBuf>, sequence: u64) -> Self {
        Self {
            dir: dir.into(),
            wanted: sequence.max(1),
            at: None,
            watch: None,
        }
    }

    /// Starts so that the last `lines` records come first.
    pub fn tail(dir: impl Into<PathBuf>, lines: u64) -> io::Result<Self> {
        let dir = dir.into();
        let oldest = segments::list(&dir)?.first().map_or(1, |s| s.first);
        let start = (last_sequence(&dir)? + 1).saturating_sub(lines).max(oldest);
        Ok(Self::from(dir, start))
    }

    /// The sequence it will give next: what to store to go on later.
    pub fn next_sequence(&self) -> u64 {
        self.wanted
    }

    /// Up to `most` entries that are there now; none at the log's present end.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < most {
            if self.at.is_none() && !self.enter()? {
                break;
            }
            let place = self.at.as_mut().expect("entered");
            match place.next_record()? {
                Some(record) if record.sequence < self.wanted => {}
                Some(record) => {
                    if record.sequence > self.wanted {
                        entries.push(Entry::Gap {
                            missed: record.sequence - self.wanted,
                        });
                    }
                    self.wanted = record.sequence + 1;
                    entries.push(Entry::Line(record));
                }
                None if !self.advance()? => break,
                None => {}
            }
        }
        Ok(entries)
    }

    /// Like [`Self::read`], but waits until there is something. Safe to cancel. It never ends by itself: whoever follows a
    /// keeper's log also waits for the keeper, and then reads what is left.
    pub async fn follow(&mut self, most: usize) -> io::Result<Vec<Entry>> {
        loop {
            // Watching starts before reading, so that nothing falls between the two.
            let mut watch = match self.watch.take() {
                Some(watch) => watch,
                None => Watch::start(&self.dir)?,
            };
            watch.mark_seen();
            let watch = self.watch.insert(watch).clone();
            let entries = self.read(most)?;
            if !entries.is_empty() {
                return Ok(entries);
            }
            watch.changed().await?;
        }
    }

    /// Opens the segment that holds the wanted record, or the oldest there is.
    fn enter(&mut self) -> io::Result<bool> {
        loop {
            let all = segments::list(&self.dir)?;
            let Some(segment) = all.iter().rev().find(|s| s.first <= self.wanted).or(all.first()) else {
                return Ok(false);
            };
            match Place::open(&self.dir, segment.first) {
                Ok(place) => {
                    self.at = Some(place);
                    return Ok(true);
                }
                // Removed since it was listed: a newer one is the oldest now.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// At a segment's end: goes to the next one, if there is one. False at the end of the log.
    fn advance(&mut self) -> io::Result<bool> {
        let place = self.at.as_mut().expect("reading a segment");
        let Some(next) = newer(&segments::list(&self.dir)?, place.first) else {
            return Ok(false);
        };
        // The writer leaves a segment for good before it makes the next; but it may have written between our last read
        // and the listing.
        if place.fill()? > 0 {
            return Ok(true);
        }
        match Place::open(&self.dir, next) {
            Ok(place) => self.at = Some(place),
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.at = None,
            Err(e) => return Err(e),
        }
        Ok(true)
    }
}

fn newer(all: &[Segment], than: u64) -> Option<u64> {
    all.iter().map(|s| s.first).find(|first| *first > than)
}

impl Place {
    fn open(dir: &Path, first: u64) -> io::Result<Self> {
        let file = File::open(dir.join(segments::name(first)))?;
        Ok(Self {
            first,
            file,
            bytes: Vec::new(),
            start: 0,
        })
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            match decode(&self.bytes[self.start..]) {
                Decoded::Record(record, length) => {
                    self.start += length;
                    return Ok(Some(record));
                }
                Decoded::Torn => return Ok(None),
                Decoded::Partial => {
                    if self.fill()? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.bytes.drain(..self.start);
        self.start = 0;
        (&mut self.file).take(CHUNK as u64).read_to_end(&mut self.bytes)
    }
}

/// The sequence of the last whole record; 0 in an empty log.
pub(super) fn last_sequence(dir: &Path) -> io::Result<u64> {
    for segment in segments::list(dir)?.iter().rev() {
        let mut place = match Place::open(dir, segment.first) {
            Ok(place) => place,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let mut last = None;
        while let Some(record) = place.next_record()? {
            last = Some(record.sequence);
        }
        if let Some(last) = last {
            return Ok(last);
        }
        // It was made for a record that did not get onto the disk whole; its number is taken all the same.
        if segment.first > 1 {
            return Ok(segment.first - 1);
        }
    }
    Ok(0)
}

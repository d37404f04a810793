//! One line of output and its form on disk.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Longer lines become several records.
pub(crate) const LONGEST_LINE: usize = 16 << 10;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// The program's standard output.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// The platform's own words about the program.
    System,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in this log, from 1.
    pub sequence: u64,
    /// When it was read from the program, to the millisecond.
    pub at: OffsetDateTime,
    /// Where it came from.
    pub stream: Stream,
    /// The line without its end; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// `u32` length of the text, `u64` sequence, `i64` milliseconds, `u8` stream; little endian.
const HEAD: usize = 4 + 8 + 8 + 1;

pub(super) fn encode(to: &mut Vec<u8>, sequence: u64, at: OffsetDateTime, stream: Stream, text: &[u8]) {
    let text = &text[..text.len().min(LONGEST_LINE)];
    let milliseconds = (at.unix_timestamp_nanos() / 1_000_000) as i64;
    to.extend_from_slice(&(text.len() as u32).to_le_bytes());
    to.extend_from_slice(&sequence.to_le_bytes());
    to.extend_from_slice(&milliseconds.to_le_bytes());
    to.push(match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
        Stream::System => 3,
    });
    to.extend_from_slice(text);
}

/// What stands at the start of some bytes of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A record, and its length.
    Record(Record, usize),
    /// Not all of it is there yet.
    Partial,
    /// No record could look like this: the machine went down while it was written.
    Torn,
}

pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let Some(head) = bytes.first_chunk::<HEAD>() else {
        return Decoded::Partial;
    };
    let (length, rest) = head.split_first_chunk::<4>().expect("the head is longer");
    let (sequence, rest) = rest.split_first_chunk::<8>().expect("the head is longer");
    let (milliseconds, stream) = rest.split_first_chunk::<8>().expect("the head is longer");
    let length = u32::from_le_bytes(*length) as usize;
    let stream = match stream[0] {
        1 => Stream::Stdout,
        2 => Stream::Stderr,
        3 => Stream::System,
        _ => return Decoded::Torn,
    };
    let milliseconds = i128::from(i64::from_le_bytes(*milliseconds));
    let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000) else {
        return Decoded::Torn;
    };
    if length > LONGEST_LINE {
        return Decoded::Torn;
    }
    let Some(text) = bytes.get(HEAD..HEAD + length) else {
        return Decoded::Partial;
    };
    let record = Record {
        sequence: u64::from_le_bytes(*sequence),
        at,
        stream,
        text: String::from_utf8_lossy(text).into_owned(),
    };
    Decoded::Record(record, HEAD + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(1_767_225_600_123_000_000).expect("in range")
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 7, at(), Stream::Stderr, b"no such \xff file");
        let expected = Record {
            sequence: 7,
            at: at(),
            stream: Stream::Stderr,
            text: "no such \u{fffd} file".to_owned(),
        };
        assert_eq!(decode(&bytes), Decoded::Record(expected, bytes.len()));
    }

    #[test]
    fn half_a_record_is_waited_for_and_nonsense_is_not() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 7, at(), Stream::Stdout, b"hello");
        assert_eq!(decode(&bytes[..10]), Decoded::Partial);
        assert_eq!(decode(&bytes[..bytes.len() - 1]), Decoded::Partial);
        assert_eq!(decode(&[0; 64]), Decoded::Torn);
        assert_eq!(decode(&[0xff; 64]), Decoded::Torn);
    }
}

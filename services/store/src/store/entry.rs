//! A record with its metadata as one stored value: a mark, the metadata if there is any, and the bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use micro_storage::{StoreError, records::Record};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What a record is annotated with, by name.
pub type Metadata = BTreeMap<String, Field>;

/// One annotation, and the type that its writer gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    #[serde(rename = "t")]
    pub kind: String,
    #[serde(rename = "v")]
    pub value: String,
}

/// A record as it was written.
pub struct Entry {
    pub key: String,
    pub value: Bytes,
    pub metadata: Metadata,
    pub expires_at: Option<OffsetDateTime>,
    pub version: u64,
}

/// Only a value follows.
const PLAIN: u8 = 0;
/// The length of the metadata follows, the metadata, the value.
const ANNOTATED: u8 = 1;

/// A value and its metadata as they are stored.
pub fn encode(value: &[u8], metadata: &Metadata) -> Bytes {
    if metadata.is_empty() {
        return [&[PLAIN], value].concat().into();
    }
    // Text under text: there is nothing that JSON cannot say.
    let notes = serde_json::to_vec(metadata).unwrap_or_default();
    let length = (notes.len() as u32).to_be_bytes();
    [&[ANNOTATED], &length[..], &notes, value].concat().into()
}

impl Entry {
    /// Reads what [`encode`] wrote.
    pub fn read(record: Record) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("a stored record".into());
        let mut bytes = record.value;
        let mut metadata = Metadata::new();
        match bytes.split_to(bytes.len().min(1)).as_ref() {
            [PLAIN] => {}
            [ANNOTATED] => {
                let length = bytes.split_to(bytes.len().min(4));
                let length = <[u8; 4]>::try_from(length.as_ref()).map_err(|_| damaged())?;
                let length = u32::from_be_bytes(length) as usize;
                if length > bytes.len() {
                    return Err(damaged());
                }
                metadata = serde_json::from_slice(&bytes.split_to(length)).map_err(|_| damaged())?;
            }
            _ => return Err(damaged()),
        }
        Ok(Self {
            key: record.key,
            value: bytes,
            metadata,
            expires_at: record.expires_at,
            version: record.version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: Bytes) -> Record {
        Record {
            key: "k".into(),
            value,
            version: 1,
            expires_at: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let note = Field {
            kind: "int".into(),
            value: "7 \u{1F980}".into(),
        };
        for metadata in [Metadata::new(), Metadata::from([("n".to_owned(), note)])] {
            for value in [&b""[..], b"\0", b"\x01\0\0\0\0", b"plain"] {
                let entry = Entry::read(stored(encode(value, &metadata))).expect("own output");
                assert_eq!((&entry.value[..], &entry.metadata), (value, &metadata));
            }
        }
    }

    #[test]
    fn what_is_damaged_is_refused() {
        for bad in [
            &b""[..],
            b"\x02",
            b"\x01",
            b"\x01\0\0\0",
            b"\x01\0\0\0\x09{}",
            b"\x01\0\0\0\x02{]",
        ] {
            assert!(Entry::read(stored(Bytes::copy_from_slice(bad))).is_err(), "{bad:?}");
        }
    }
}

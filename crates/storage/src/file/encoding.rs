//! Keys and values as bytes. Keys sort as their parts do: names hold no NUL, numbers are big endian.

use bytes::Bytes;
use micro_domain::NamespaceId;
use time::OffsetDateTime;

use crate::{
    StoreError,
    records::{Key, Record, Usage},
};

/// `namespace · database · 0 · table · 0`: what all keys of one table start with.
pub(super) fn table_prefix(namespace: NamespaceId, database: &str, table: &str) -> Vec<u8> {
    let mut bytes = namespace.uuid().as_bytes().to_vec();
    for name in [database, table] {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
    }
    bytes
}

pub(super) fn record_key(namespace: NamespaceId, key: &Key) -> Vec<u8> {
    let mut bytes = table_prefix(namespace, &key.database, &key.table);
    bytes.extend_from_slice(key.key.as_bytes());
    bytes
}

/// Database, table and key of a stored record's key.
pub(super) fn parts(key: &[u8]) -> Result<(&str, &str, &str), StoreError> {
    let damaged = || StoreError::Damaged("a record's key".into());
    let text = std::str::from_utf8(key.get(16..).ok_or_else(damaged)?).map_err(|_| damaged())?;
    let (database, rest) = text.split_once('\0').ok_or_else(damaged)?;
    let (table, key) = rest.split_once('\0').ok_or_else(damaged)?;
    Ok((database, table, key))
}

/// Whose a stored record's or entry's key is.
pub(super) fn namespace_part(key: &[u8]) -> Result<&[u8], StoreError> {
    key.get(..16)
        .ok_or_else(|| StoreError::Damaged("a key without its namespace".into()))
}

/// A stored record's key, taken apart.
pub(super) fn key_of(bytes: &[u8]) -> Result<Key, StoreError> {
    let (database, table, key) = parts(bytes)?;
    Ok(Key {
        database: database.into(),
        table: table.into(),
        key: key.into(),
    })
}

pub(super) fn write_usage(usage: Usage) -> Vec<u8> {
    [usage.keys.to_be_bytes(), usage.bytes.to_be_bytes()].concat()
}

pub(super) fn read_usage(bytes: &[u8]) -> Result<Usage, StoreError> {
    let (keys, rest) = number(bytes)?;
    Ok(Usage {
        keys,
        bytes: number(rest)?.0,
    })
}

/// What is stored of a record besides its key.
pub(super) struct Row<'r> {
    pub version: u64,
    /// Nanoseconds since 1970; [`NEVER`] where it does not expire.
    pub expires: i64,
    pub value: &'r [u8],
}

pub(super) const NEVER: i64 = i64::MAX;

impl<'r> Row<'r> {
    pub fn read(bytes: &'r [u8]) -> Result<Self, StoreError> {
        let (version, rest) = number(bytes)?;
        let (expires, value) = number(rest)?;
        Ok(Self {
            version,
            expires: expires as i64,
            value,
        })
    }

    pub fn write(&self) -> Vec<u8> {
        [&self.version.to_be_bytes()[..], &self.expires.to_be_bytes(), self.value].concat()
    }

    pub fn lives(&self, now: i64) -> bool {
        self.expires == NEVER || self.expires > now
    }

    pub fn record(&self, key: &str) -> Record {
        Record {
            key: key.to_owned(),
            value: Bytes::copy_from_slice(self.value),
            version: self.version,
            expires_at: (self.expires != NEVER).then(|| time_of(self.expires)),
        }
    }
}

/// `expiry · record key`.
pub(super) fn expiry_key(expires: i64, key: &[u8]) -> Vec<u8> {
    [&expires.to_be_bytes()[..], key].concat()
}

/// `namespace · topic · 0 · offset`.
pub(super) fn entry_key(namespace: NamespaceId, topic: &str, offset: u64) -> Vec<u8> {
    let mut bytes = head_key(namespace, topic);
    bytes.push(0);
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes
}

/// `namespace · topic`.
pub(super) fn head_key(namespace: NamespaceId, topic: &str) -> Vec<u8> {
    [&namespace.uuid().as_bytes()[..], topic.as_bytes()].concat()
}

/// The number that the bytes start with, and the rest.
pub(super) fn number(bytes: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (number, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| StoreError::Damaged("a value cut short".into()))?;
    Ok((u64::from_be_bytes(*number), rest))
}

/// Nanoseconds since 1970, held within what 64 bits reach (1970 to 2262; before counts as 1970).
pub(super) fn nanos(at: OffsetDateTime) -> i64 {
    at.unix_timestamp_nanos().clamp(0, i128::from(NEVER - 1)) as i64
}

pub(super) fn time_of(nanos: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

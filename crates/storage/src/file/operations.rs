//! What the writer does, inside its transaction. An operation that finds its conditions broken changes nothing.

use bytes::Bytes;
use micro_domain::NamespaceId;
use redb::{ReadableTable, Table, WriteTransaction};
use time::OffsetDateTime;

use super::{
    COUNTERS, ENTRIES, EXPIRIES, HEADS, RECORDS,
    encoding::{NEVER, Row, entry_key, expiry_key, head_key, nanos, number, record_key},
};
use crate::{
    StoreError,
    log::Appended,
    records::{Write, Written},
};

/// One thing to do.
pub(super) trait Operation: Send + 'static {
    type Outcome: Send + 'static;

    fn apply(self, tx: &WriteTransaction) -> Result<Self::Outcome, StoreError>;
}

type Rows<'tx> = Table<'tx, &'static [u8], &'static [u8]>;

/// A batch of records.
pub(super) struct WriteBatch {
    pub namespace: NamespaceId,
    pub batch: Vec<Write>,
    pub now: OffsetDateTime,
}

impl Operation for WriteBatch {
    type Outcome = Written;

    fn apply(self, tx: &WriteTransaction) -> Result<Written, StoreError> {
        let Self { namespace, batch, now } = self;
        let mut records = tx.open_table(RECORDS).map_err(StoreError::failed)?;
        let mut expiries = tx.open_table(EXPIRIES).map_err(StoreError::failed)?;
        let mut counters = tx.open_table(COUNTERS).map_err(StoreError::failed)?;
        let keys: Vec<Vec<u8>> = batch.iter().map(|write| record_key(namespace, &write.key)).collect();
        for (place, (write, key)) in batch.iter().zip(&keys).enumerate() {
            let found = records.get(key.as_slice()).map_err(StoreError::failed)?;
            let row = found.as_ref().map(|found| Row::read(found.value())).transpose()?;
            if !write
                .expect
                .holds(row.filter(|row| row.lives(nanos(now))).map(|row| row.version))
            {
                return Ok(Written::Lost(place));
            }
        }
        let mut last = counters
            .get("version")
            .map_err(StoreError::failed)?
            .map_or(0, |last| last.value());
        let mut versions = Vec::with_capacity(batch.len());
        for (write, key) in batch.into_iter().zip(keys) {
            forget(&mut records, &mut expiries, &key)?;
            let Some(value) = write.value else {
                versions.push(0);
                continue;
            };
            last += 1;
            let expires = write.expires_at.map_or(NEVER, nanos);
            let row = Row {
                version: last,
                expires,
                value: &value,
            }
            .write();
            records
                .insert(key.as_slice(), row.as_slice())
                .map_err(StoreError::failed)?;
            if expires != NEVER {
                expiries
                    .insert(expiry_key(expires, &key).as_slice(), &[][..])
                    .map_err(StoreError::failed)?;
            }
            versions.push(last);
        }
        counters.insert("version", last).map_err(StoreError::failed)?;
        Ok(Written::Done(versions))
    }
}

/// Removes a record and its expiry.
fn forget(records: &mut Rows<'_>, expiries: &mut Rows<'_>, key: &[u8]) -> Result<(), StoreError> {
    let Some(found) = records.remove(key).map_err(StoreError::failed)? else {
        return Ok(());
    };
    let expires = Row::read(found.value())?.expires;
    if expires != NEVER {
        expiries
            .remove(expiry_key(expires, key).as_slice())
            .map_err(StoreError::failed)?;
    }
    Ok(())
}

/// Removes what has expired.
pub(super) struct Sweep {
    pub now: OffsetDateTime,
    pub limit: usize,
}

impl Operation for Sweep {
    type Outcome = usize;

    fn apply(self, tx: &WriteTransaction) -> Result<usize, StoreError> {
        let mut records = tx.open_table(RECORDS).map_err(StoreError::failed)?;
        let mut expiries = tx.open_table(EXPIRIES).map_err(StoreError::failed)?;
        let end = expiry_key(nanos(self.now) + 1, &[]);
        let mut due = Vec::new();
        for row in expiries
            .range(..end.as_slice())
            .map_err(StoreError::failed)?
            .take(self.limit)
        {
            due.push(row.map_err(StoreError::failed)?.0.value()[8..].to_vec());
        }
        for key in &due {
            forget(&mut records, &mut expiries, key)?;
        }
        Ok(due.len())
    }
}

/// Entries for one topic.
pub(super) struct AppendBatch {
    pub namespace: NamespaceId,
    pub topic: String,
    pub payloads: Vec<Bytes>,
    pub now: OffsetDateTime,
}

impl Operation for AppendBatch {
    type Outcome = Appended;

    fn apply(self, tx: &WriteTransaction) -> Result<Appended, StoreError> {
        let Self {
            namespace,
            topic,
            payloads,
            now,
        } = self;
        let mut heads = tx.open_table(HEADS).map_err(StoreError::failed)?;
        let mut entries = tx.open_table(ENTRIES).map_err(StoreError::failed)?;
        let head = head_key(namespace, &topic);
        let (first, last_at) = match heads.get(head.as_slice()).map_err(StoreError::failed)? {
            Some(found) => read_head(found.value())?,
            None => (0, 0),
        };
        // Time within a topic never runs backwards, whatever the clocks of its writers say.
        let at = nanos(now).max(last_at);
        let count = payloads.len() as u64;
        for (offset, payload) in (first..).zip(payloads) {
            let entry = [&at.to_be_bytes()[..], &payload].concat();
            let key = entry_key(namespace, &topic, offset);
            entries
                .insert(key.as_slice(), entry.as_slice())
                .map_err(StoreError::failed)?;
        }
        let moved = [(first + count).to_be_bytes(), at.to_be_bytes()].concat();
        heads
            .insert(head.as_slice(), moved.as_slice())
            .map_err(StoreError::failed)?;
        Ok(Appended { first, count })
    }
}

/// Next offset, and the time of the last entry.
pub(super) fn read_head(bytes: &[u8]) -> Result<(u64, i64), StoreError> {
    let (next, rest) = number(bytes)?;
    Ok((next, number(rest)?.0 as i64))
}

/// Forgets the entries of a topic before an offset.
pub(super) struct Trim {
    pub namespace: NamespaceId,
    pub topic: String,
    pub before: u64,
}

impl Operation for Trim {
    type Outcome = ();

    fn apply(self, tx: &WriteTransaction) -> Result<(), StoreError> {
        let mut entries = tx.open_table(ENTRIES).map_err(StoreError::failed)?;
        let from = entry_key(self.namespace, &self.topic, 0);
        let to = entry_key(self.namespace, &self.topic, self.before);
        entries
            .retain_in(from.as_slice()..to.as_slice(), |_, _| false)
            .map_err(StoreError::failed)
    }
}

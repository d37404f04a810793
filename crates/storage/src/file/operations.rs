//! What the writer does, inside its transaction. An operation that finds its conditions broken changes nothing.

use std::collections::HashMap;

use bytes::Bytes;
use micro_domain::NamespaceId;
use micro_tenancy::LimitReached;
use redb::{ReadableTable, Table, WriteTransaction};
use time::OffsetDateTime;

use super::{
    COUNTERS, ENTRIES, EXPIRIES, HEADS, RECORDS, USAGE,
    encoding::{
        NEVER, Row, entry_key, expiry_key, head_key, key_of, namespace_part, nanos, number, read_usage, record_key,
        write_usage,
    },
};
use crate::{
    StoreError,
    log::Appended,
    records::{Change, Quota, Usage, Write, Written},
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
    pub quota: Quota,
}

impl Operation for WriteBatch {
    type Outcome = Result<Written, LimitReached>;

    fn apply(self, tx: &WriteTransaction) -> Result<Self::Outcome, StoreError> {
        let Self {
            namespace,
            batch,
            now,
            quota,
        } = self;
        let mut records = tx.open_table(RECORDS).map_err(StoreError::failed)?;
        let mut expiries = tx.open_table(EXPIRIES).map_err(StoreError::failed)?;
        let mut counters = tx.open_table(COUNTERS).map_err(StoreError::failed)?;
        let keys: Vec<Vec<u8>> = batch.iter().map(|write| record_key(namespace, &write.key)).collect();
        let mut change = Change::default();
        for (place, (write, key)) in batch.iter().zip(&keys).enumerate() {
            let found = records.get(key.as_slice()).map_err(StoreError::failed)?;
            let row = found.as_ref().map(|found| Row::read(found.value())).transpose()?;
            change.replace(
                &write.key,
                row.as_ref().map(|row| row.value.len()),
                write.value.as_ref().map(Bytes::len),
            );
            if !write
                .expect
                .holds(row.filter(|row| row.lives(nanos(now))).map(|row| row.version))
            {
                return Ok(Ok(Written::Lost(place)));
            }
        }
        let mut usages = tx.open_table(USAGE).map_err(StoreError::failed)?;
        let before = usage_in(&usages, namespace.uuid().as_bytes())?;
        match change.within(&quota, before) {
            Ok(after) if after != before => set_usage(&mut usages, namespace.uuid().as_bytes(), after)?,
            Ok(_) => {}
            Err(reached) => return Ok(Err(reached)),
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
        Ok(Ok(Written::Done(versions)))
    }
}

/// Removes a record and its expiry; how long its value was, if there was one.
fn forget(records: &mut Rows<'_>, expiries: &mut Rows<'_>, key: &[u8]) -> Result<Option<usize>, StoreError> {
    let Some(found) = records.remove(key).map_err(StoreError::failed)? else {
        return Ok(None);
    };
    let Row { expires, value, .. } = Row::read(found.value())?;
    if expires != NEVER {
        expiries
            .remove(expiry_key(expires, key).as_slice())
            .map_err(StoreError::failed)?;
    }
    Ok(Some(value.len()))
}

fn usage_in(usages: &impl ReadableTable<&'static [u8], &'static [u8]>, namespace: &[u8]) -> Result<Usage, StoreError> {
    let found = usages.get(namespace).map_err(StoreError::failed)?;
    found.map_or(Ok(Usage::default()), |found| read_usage(found.value()))
}

fn set_usage(usages: &mut Rows<'_>, namespace: &[u8], usage: Usage) -> Result<(), StoreError> {
    let written = write_usage(usage);
    usages
        .insert(namespace, written.as_slice())
        .map_err(StoreError::failed)?;
    Ok(())
}

/// Counts what each namespace keeps, from its records.
pub(super) fn recount(tx: &WriteTransaction) -> Result<(), StoreError> {
    let records = tx.open_table(RECORDS).map_err(StoreError::failed)?;
    let mut usages = tx.open_table(USAGE).map_err(StoreError::failed)?;
    let mut changes: HashMap<Vec<u8>, Change> = HashMap::new();
    for row in records.iter().map_err(StoreError::failed)? {
        let (key, value) = row.map_err(StoreError::failed)?;
        let change = changes.entry(namespace_part(key.value())?.to_vec()).or_default();
        change.replace(&key_of(key.value())?, None, Some(Row::read(value.value())?.value.len()));
    }
    for (namespace, change) in changes {
        set_usage(&mut usages, &namespace, change.given_back(Usage::default()))?;
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
        let mut usages = tx.open_table(USAGE).map_err(StoreError::failed)?;
        for key in &due {
            let mut change = Change::default();
            change.replace(&key_of(key)?, forget(&mut records, &mut expiries, key)?, None);
            let namespace = namespace_part(key)?;
            let after = change.given_back(usage_in(&usages, namespace)?);
            set_usage(&mut usages, namespace, after)?;
        }
        Ok(due.len())
    }
}

/// Removes all records of a namespace.
pub(super) struct EraseRecords(pub NamespaceId);

impl Operation for EraseRecords {
    type Outcome = ();

    fn apply(self, tx: &WriteTransaction) -> Result<(), StoreError> {
        let mut records = tx.open_table(RECORDS).map_err(StoreError::failed)?;
        let mut expiries = tx.open_table(EXPIRIES).map_err(StoreError::failed)?;
        let mut usages = tx.open_table(USAGE).map_err(StoreError::failed)?;
        let namespace = self.0.uuid();
        let (from, to) = whole(namespace.as_bytes());
        let mut due = Vec::new();
        for row in records
            .range(from.as_slice()..=to.as_slice())
            .map_err(StoreError::failed)?
        {
            due.push(row.map_err(StoreError::failed)?.0.value().to_vec());
        }
        for key in &due {
            forget(&mut records, &mut expiries, key)?;
        }
        usages
            .remove(namespace.as_bytes().as_slice())
            .map_err(StoreError::failed)?;
        Ok(())
    }
}

/// Removes all topics of a namespace.
pub(super) struct EraseLog(pub NamespaceId);

impl Operation for EraseLog {
    type Outcome = ();

    fn apply(self, tx: &WriteTransaction) -> Result<(), StoreError> {
        let (from, to) = whole(self.0.uuid().as_bytes());
        for table in [ENTRIES, HEADS] {
            let mut rows = tx.open_table(table).map_err(StoreError::failed)?;
            rows.retain_in(from.as_slice()..=to.as_slice(), |_, _| false)
                .map_err(StoreError::failed)?;
        }
        Ok(())
    }
}

/// The range of all keys that start with a namespace: no key's first byte behind it is 255, since names are text.
fn whole(namespace: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (namespace.to_vec(), [namespace, &[u8::MAX]].concat())
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

//! Records: namespaced key-value with database and table, versions for compare-and-set, expiry, ordered scans
//! with cursors, and batches that are atomic within their namespace.

mod usage;

use std::{collections::HashSet, ops::Bound};

use async_trait::async_trait;
use bytes::Bytes;
use micro_tenancy::Tenant;
use time::OffsetDateTime;

use crate::StoreError;

pub(crate) use usage::Change;
pub use usage::{Quota, Usage};

/// Where a record lies inside its namespace. No part may contain NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Micro's database: by default the namespace's name.
    pub database: String,
    /// Micro's table: by default the service's name.
    pub table: String,
    /// The key itself: bytewise order.
    pub key: String,
}

impl Key {
    /// A key of a core service, in a database that no tenant's request can name.
    pub fn core(table: &str, key: impl Into<String>) -> Self {
        Self {
            database: CORE.into(),
            table: table.into(),
            key: key.into(),
        }
    }

    /// A key of a tenant's own, as its request names it. Control characters in the database's or the table's
    /// name are refused, so that no request reaches core's records; in the key itself only NUL is.
    ///
    /// ```
    /// use micro_storage::records::Key;
    /// assert!(Key::tenant("ada-ns", "greeter", "visits/7").is_ok());
    /// assert!(Key::tenant("\u{1}core", "auth/accounts", "ada").is_err());
    /// ```
    pub fn tenant(
        database: impl Into<String>,
        table: impl Into<String>,
        key: impl Into<String>,
    ) -> Result<Self, StoreError> {
        let key = Self {
            database: database.into(),
            table: table.into(),
            key: key.into(),
        };
        check_table(&key.database, &key.table)?;
        key.check()?;
        Ok(key)
    }

    /// Whether this is a core service's.
    pub fn is_core(&self) -> bool {
        Self::is_core_database(&self.database)
    }

    pub(crate) fn is_core_database(database: &str) -> bool {
        database == CORE
    }

    /// How many bytes its three parts have.
    pub(crate) fn size(&self) -> usize {
        self.database.len() + self.table.len() + self.key.len()
    }

    /// Refuses NUL, and what is too long for an index.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let parts = [&self.database, &self.table, &self.key];
        if parts.iter().any(|part| part.contains('\0')) {
            return Err(StoreError::Invalid("a key must not contain NUL".into()));
        }
        if self.size() > MAX_KEY {
            return Err(StoreError::Invalid(format!(
                "a key has at most {MAX_KEY} bytes, with database and table"
            )));
        }
        Ok(())
    }
}

/// The database of the core services' own records.
const CORE: &str = "\u{1}core";

/// Database, table and key together: what fits into one entry of a PostgreSQL index.
const MAX_KEY: usize = 2_000;

fn check_table(database: &str, table: &str) -> Result<(), StoreError> {
    if [database, table].iter().any(|name| name.chars().any(char::is_control)) {
        return Err(StoreError::Invalid(
            "a database's or table's name must not contain control characters".into(),
        ));
    }
    Ok(())
}

/// Refuses a read of unacceptable keys.
pub(crate) fn check_keys(keys: &[Key]) -> Result<(), StoreError> {
    keys.iter().try_for_each(Key::check)
}

/// Refuses a batch with unacceptable keys, or one that writes a key twice.
pub(crate) fn check_batch(batch: &[Write]) -> Result<(), StoreError> {
    let mut seen = HashSet::with_capacity(batch.len());
    for write in batch {
        write.key.check()?;
        if !seen.insert(&write.key) {
            return Err(StoreError::Invalid("a batch must not write the same key twice".into()));
        }
    }
    Ok(())
}

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its key within database and table.
    pub key: String,
    /// Its bytes.
    pub value: Bytes,
    /// Grows with each write of this key; never zero.
    pub version: u64,
    /// When it stops existing, if ever.
    pub expires_at: Option<OffsetDateTime>,
}

/// What must be true of a key for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// No live record.
    Absent,
    /// A live record of this version.
    Version(u64),
}

/// One write of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// `None` deletes.
    pub value: Option<Bytes>,
    /// When the new record stops existing, if ever.
    pub expires_at: Option<OffsetDateTime>,
    /// The condition.
    pub expect: Expect,
}

impl Write {
    /// Stores `value`, whatever is there.
    pub fn put(key: Key, value: impl Into<Bytes>) -> Self {
        Self {
            key,
            value: Some(value.into()),
            expires_at: None,
            expect: Expect::Any,
        }
    }

    /// Removes the record, if there is one.
    pub fn delete(key: Key) -> Self {
        Self {
            key,
            value: None,
            expires_at: None,
            expect: Expect::Any,
        }
    }

    /// The same write, under a condition.
    #[must_use]
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// The same write, of a record that stops existing.
    #[must_use]
    pub fn until(mut self, expires_at: OffsetDateTime) -> Self {
        self.expires_at = Some(expires_at);
        self
    }
}

/// What a batch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// All of it, durably: the new version per write (0 for a delete).
    Done(Vec<u64>),
    /// None of it: the condition of the write at this index did not hold.
    Lost(usize),
}

/// A range of one table, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Micro's database.
    pub database: String,
    /// Micro's table.
    pub table: String,
    /// First key.
    pub from: Bound<String>,
    /// Last key.
    pub to: Bound<String>,
    /// From last to first.
    pub descending: bool,
    /// At most so many live records: 1 to [`Scan::MAX`].
    pub limit: usize,
    /// Ends the page before the record that would make its keys and values exceed so many bytes. The first one always
    /// comes, so a page is empty only where nothing is left.
    pub max_bytes: Option<usize>,
}

impl Scan {
    /// The most records one scan returns; go on with [`Scan::after`].
    pub const MAX: usize = 1_000;

    /// Every key that starts with `prefix`, as a range.
    pub fn prefix(database: impl Into<String>, table: impl Into<String>, prefix: &str) -> Self {
        let to = match end_of_prefix(prefix) {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        Self {
            database: database.into(),
            table: table.into(),
            from: Bound::Included(prefix.to_owned()),
            to,
            descending: false,
            limit: Self::MAX,
            max_bytes: None,
        }
    }

    /// [`Scan::prefix`] over a tenant's own table, named by its request: see [`Key::tenant`].
    pub fn tenant(database: impl Into<String>, table: impl Into<String>, prefix: &str) -> Result<Self, StoreError> {
        let scan = Self::prefix(database, table, prefix);
        check_table(&scan.database, &scan.table)?;
        scan.check()?;
        Ok(scan)
    }

    /// [`Scan::prefix`] over a core service's table.
    pub fn core(table: &str, prefix: &str) -> Self {
        Self::prefix(Key::core(table, "").database, table, prefix)
    }

    /// The same scan, going on behind the last key of the page before.
    #[must_use]
    pub fn after(mut self, last: &str) -> Self {
        if self.descending {
            self.to = Bound::Excluded(last.to_owned());
        } else {
            self.from = Bound::Excluded(last.to_owned());
        }
        self
    }

    /// The same scan from last to first.
    #[must_use]
    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// The same scan with a limit.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, Self::MAX);
        self
    }

    /// The same scan, of pages of so many bytes: see [`Scan::max_bytes`].
    #[must_use]
    pub fn max_bytes(mut self, most: usize) -> Self {
        self.max_bytes = Some(most);
        self
    }

    /// Takes records for as long as they fit into the page.
    pub(crate) fn page(
        &self,
        records: impl Iterator<Item = Result<Record, StoreError>>,
    ) -> Result<Vec<Record>, StoreError> {
        let mut page = Vec::new();
        let mut bytes = 0;
        for record in records.take(self.limit) {
            let record = record?;
            bytes += record.key.len() + record.value.len();
            if !page.is_empty() && self.max_bytes.is_some_and(|most| bytes > most) {
                break;
            }
            page.push(record);
        }
        Ok(page)
    }

    /// Refuses what [`Key::check`] refuses, and a limit out of bounds.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if !(1..=Self::MAX).contains(&self.limit) {
            return Err(StoreError::Invalid(format!("a scan's limit is 1 to {}", Self::MAX)));
        }
        let key = |key: &str| Key {
            database: self.database.clone(),
            table: self.table.clone(),
            key: key.into(),
        };
        [&self.from, &self.to].into_iter().try_for_each(|bound| match bound {
            Bound::Included(end) | Bound::Excluded(end) => key(end).check(),
            Bound::Unbounded => key("").check(),
        })
    }

    /// Whether no key can lie in the range.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        }
    }
}

/// The smallest string that sorts behind every string starting with `prefix`, if there is one.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            c => char::from_u32(c as u32 + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// Namespaced key-value storage. Each call is durable when it returns; `now` decides what has expired.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// The live records of these keys, in the order asked.
    async fn get(&self, tenant: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError>;

    /// Does all of the batch or nothing. The same key twice in a batch is [`StoreError::Invalid`]; more than the
    /// namespace may keep in its own databases is [`StoreError::LimitReached`].
    async fn write(&self, tenant: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError>;

    /// What the namespace keeps in its own databases; what has expired counts until it is swept or replaced. Core's
    /// records are not counted.
    async fn usage(&self, tenant: &Tenant) -> Result<Usage, StoreError>;

    /// The live records of a range, in order.
    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError>;

    /// The tables of this namespace that hold records, as (database, table), in order; core's are left out.
    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError>;

    /// Removes what expired before `now`, of all namespaces, at most `limit` records; how many it removed.
    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError>;

    /// Removes everything of the namespace, core's records too. What is written meanwhile may stay: safe to repeat.
    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range() {
        assert_eq!(end_of_prefix("a"), Some("b".into()));
        assert_eq!(end_of_prefix("a\u{10ffff}"), Some("b".into()));
        assert_eq!(end_of_prefix("\u{d7ff}"), Some("\u{e000}".into()));
        assert_eq!(end_of_prefix(""), None);
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
    }
}

//! Records in a sorted map.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use micro_domain::NamespaceId;
use micro_tenancy::Tenant;
use time::OffsetDateTime;

use crate::{
    StoreError,
    records::{Change, Expect, Key, Quota, Record, Records, Scan, Usage, Write, Written, check_batch, check_keys},
};

/// Records that last as long as the process.
#[derive(Debug, Default)]
pub struct MemoryRecords {
    state: Mutex<State>,
    quota: Quota,
}

#[derive(Debug, Default)]
struct State {
    /// The last version given out: one counter for all, so that a key that is deleted and made again grows too.
    version: u64,
    rows: BTreeMap<(NamespaceId, Key), Row>,
    usage: HashMap<NamespaceId, Usage>,
}

#[derive(Debug)]
struct Row {
    value: Bytes,
    version: u64,
    expires_at: Option<OffsetDateTime>,
}

impl Row {
    fn lives(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }

    fn record(&self, key: &str) -> Record {
        Record {
            key: key.to_owned(),
            value: self.value.clone(),
            version: self.version,
            expires_at: self.expires_at,
        }
    }
}

impl MemoryRecords {
    /// Records of which each namespace may keep so much.
    pub fn with_quota(quota: Quota) -> Self {
        Self {
            quota,
            ..Self::default()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while holding the records")
    }
}

#[async_trait]
impl Records for MemoryRecords {
    async fn get(&self, tenant: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
        check_keys(keys)?;
        let state = self.state();
        let find = |key: &Key| {
            let row = state.rows.get(&(tenant.id(), key.clone()))?;
            row.lives(now).then(|| row.record(&key.key))
        };
        Ok(keys.iter().map(find).collect())
    }

    async fn write(&self, tenant: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
        check_batch(&batch)?;
        let mut state = self.state();
        let mut change = Change::default();
        for (index, write) in batch.iter().enumerate() {
            let row = state.rows.get(&(tenant.id(), write.key.clone()));
            change.replace(
                &write.key,
                row.map(|row| row.value.len()),
                write.value.as_ref().map(Bytes::len),
            );
            if !write
                .expect
                .holds(row.filter(|row| row.lives(now)).map(|row| row.version))
            {
                return Ok(Written::Lost(index));
            }
        }
        let usage = state.usage.entry(tenant.id()).or_default();
        *usage = change.within(&self.quota, *usage)?;
        let mut versions = Vec::with_capacity(batch.len());
        for write in batch {
            versions.push(state.apply(tenant.id(), write));
        }
        Ok(Written::Done(versions))
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage, StoreError> {
        Ok(self.state().usage.get(&tenant.id()).copied().unwrap_or_default())
    }

    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        scan.check()?;
        let at = |key: &str| {
            (
                tenant.id(),
                Key {
                    database: scan.database.clone(),
                    table: scan.table.clone(),
                    key: key.into(),
                },
            )
        };
        let from = match &scan.from {
            Bound::Unbounded => Bound::Included(at("")),
            bound => bound.as_ref().map(|key| at(key)),
        };
        let to = match &scan.to {
            // The table's name with NUL behind it sorts right behind the table's last key.
            Bound::Unbounded => Bound::Excluded((
                tenant.id(),
                Key {
                    database: scan.database.clone(),
                    table: format!("{}\0", scan.table),
                    key: String::new(),
                },
            )),
            bound => bound.as_ref().map(|key| at(key)),
        };
        if scan.is_empty() {
            return Ok(Vec::new());
        }
        let state = self.state();
        let live = state
            .rows
            .range((from, to))
            .filter(|(_, row)| row.lives(now))
            .map(|((_, key), row)| Ok(row.record(&key.key)));
        match scan.descending {
            true => scan.page(live.rev()),
            false => scan.page(live),
        }
    }

    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        let state = self.state();
        let mut found: Vec<(String, String)> = Vec::new();
        for (_, key) in state
            .rows
            .keys()
            .filter(|(ns, key)| *ns == tenant.id() && !key.is_core())
        {
            if found.last().is_none_or(|(d, t)| (d, t) != (&key.database, &key.table)) {
                found.push((key.database.clone(), key.table.clone()));
            }
        }
        Ok(found)
    }

    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.state();
        let dead: Vec<_> = state
            .rows
            .iter()
            .filter(|(_, row)| !row.lives(now))
            .map(|(k, _)| k.clone())
            .take(limit)
            .collect();
        for at in &dead {
            let gone = state.rows.remove(at).map(|row| row.value.len());
            let mut change = Change::default();
            change.replace(&at.1, gone, None);
            let usage = state.usage.entry(at.0).or_default();
            *usage = change.given_back(*usage);
        }
        Ok(dead.len())
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let mut state = self.state();
        state.rows.retain(|(ns, _), _| *ns != tenant.id());
        state.usage.remove(&tenant.id());
        Ok(())
    }
}

impl State {
    fn apply(&mut self, namespace: NamespaceId, write: Write) -> u64 {
        let Write {
            key,
            value,
            expires_at,
            expect: _,
        } = write;
        match value {
            None => {
                self.rows.remove(&(namespace, key));
                0
            }
            Some(value) => {
                self.version += 1;
                let version = self.version;
                self.rows.insert(
                    (namespace, key),
                    Row {
                        value,
                        version,
                        expires_at,
                    },
                );
                version
            }
        }
    }
}

impl Expect {
    /// Whether the condition holds of a key whose live record, if any, has this version.
    pub(crate) fn holds(self, live: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => live.is_none(),
            Self::Version(version) => live == Some(version),
        }
    }
}

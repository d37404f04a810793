//! Snapshots: a database's records out, page by page, and in again, batch by batch, each with all that belongs to it.
//! What is written while one is taken may or may not be in it; every record that is, is whole.

use std::collections::{HashSet, VecDeque};

use futures::{Stream, StreamExt, stream};
use micro_storage::{
    StoreError,
    records::{Key, Write},
};
use micro_tenancy::Tenant;
use time::OffsetDateTime;

use super::write_record::Draft;
use crate::{
    App, Refusal,
    store::{
        entry::Entry,
        search::{Search, Wanted},
    },
};

/// Writes of one batch, and about as many bytes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Records of one table.
pub struct Page {
    pub table: String,
    pub entries: Vec<Entry>,
}

/// A record as it is put back: where, what, and until when.
pub struct Restored {
    pub table: String,
    pub draft: Draft,
    pub expires_at: Option<OffsetDateTime>,
}

/// What was put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub written: u64,
    /// These had expired meanwhile.
    pub expired: u64,
}

/// An export on its way: the tables that are left, and the search of this one.
struct Export {
    app: App,
    tenant: Tenant,
    tables: VecDeque<String>,
    search: Option<(String, Search)>,
}

impl App {
    /// The records of a table, or of all where it has no name, in pages of about a megabyte.
    pub async fn export(
        &self,
        tenant: &Tenant,
        table: &str,
    ) -> Result<impl Stream<Item = Result<Page, Refusal>> + Send + 'static, Refusal> {
        let tables = match table {
            "" => self.list_tables(tenant).await?.into(),
            named => VecDeque::from([named.to_owned()]),
        };
        let export = Export {
            app: self.clone(),
            tenant: tenant.clone(),
            tables,
            search: None,
        };
        Ok(stream::try_unfold(export, |mut export| async move {
            Ok(export.next().await?.map(|page| (page, export)))
        }))
    }

    /// Puts records back, over what is there. Batches that are written stay where the sender fails.
    pub async fn import<S>(&self, tenant: &Tenant, records: S) -> Result<Imported, Refusal>
    where
        S: Stream<Item = Result<Vec<Restored>, Refusal>> + Send,
    {
        let mut records = std::pin::pin!(records);
        let mut done = Imported::default();
        let mut batch = Batch::default();
        while let Some(some) = records.next().await.transpose()? {
            for restored in some {
                if restored.expires_at.is_some_and(|at| at <= self.parts.clock.now()) {
                    done.expired += 1;
                    continue;
                }
                let write = self.put(tenant, &restored.table, restored.draft, restored.expires_at)?;
                if batch.is_full() || batch.keys.contains(&write.key) {
                    done.written += self.write_batch(tenant, &mut batch).await?;
                }
                batch.add(write);
            }
        }
        done.written += self.write_batch(tenant, &mut batch).await?;
        Ok(done)
    }

    async fn write_batch(&self, tenant: &Tenant, batch: &mut Batch) -> Result<u64, StoreError> {
        let Batch { writes, .. } = std::mem::take(batch);
        let count = writes.len() as u64;
        if count > 0 {
            let now = self.parts.clock.now();
            self.parts.records.write(tenant, writes, now).await?;
        }
        Ok(count)
    }
}

impl Export {
    async fn next(&mut self) -> Result<Option<Page>, Refusal> {
        loop {
            if let Some((table, search)) = &mut self.search {
                if let Some(page) = search.next().await? {
                    let entries: Result<Vec<_>, _> = page.into_iter().map(Entry::read).collect();
                    return Ok(Some(Page {
                        table: table.clone(),
                        entries: entries?,
                    }));
                }
                self.search = None;
            }
            let Some(table) = self.tables.pop_front() else {
                return Ok(None);
            };
            let search = self.app.search(&self.tenant, &table, Wanted::default())?;
            self.search = Some((table, search));
        }
    }
}

/// Writes that go together.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    keys: HashSet<Key>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.writes.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    fn add(&mut self, write: Write) {
        self.bytes += write.value.as_ref().map_or(0, bytes::Bytes::len);
        self.keys.insert(write.key.clone());
        self.writes.push(write);
    }
}

//! Finds the records of a table by prefix and suffix, page by page, so that neither a big table nor big values
//! are held in memory whole.

use std::sync::Arc;

use micro_storage::{
    StoreError,
    records::{Record, Records, Scan},
};
use micro_tenancy::Tenant;
use time::OffsetDateTime;

use super::turns::Turns;

/// Which records of a table are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What their keys start with.
    pub prefix: String,
    /// What their keys end with.
    pub suffix: String,
    /// How many to pass over.
    pub offset: u64,
    /// How many at most; 0 is all.
    pub limit: u64,
    /// From last to first.
    pub descending: bool,
}

/// A search on its way through a table.
pub struct Search {
    records: Arc<dyn Records>,
    tenant: Tenant,
    now: OffsetDateTime,
    /// What is still to be looked at.
    rest: Option<Scan>,
    suffix: String,
    skip: u64,
    left: u64,
    /// How many records the next page has at most.
    size: usize,
    pages: usize,
    turns: Turns,
}

/// How many records a page has at first, and at most: most searches want few.
const FIRST: usize = 32;
const MOST: usize = 512;
/// A page ends before it has more bytes than this: values may be a megabyte each.
const PAGE_BYTES: usize = 1 << 20;

/// A search of more pages takes turns with others of its namespace.
const SHORT: usize = 4;

impl Search {
    /// A search of one table, at one moment.
    pub fn new(
        records: Arc<dyn Records>,
        tenant: Tenant,
        table: &str,
        wanted: Wanted,
        now: OffsetDateTime,
        turns: Turns,
    ) -> Result<Self, StoreError> {
        let database = tenant.namespace().name.to_string();
        let mut scan = Scan::tenant(database, table, &wanted.prefix)?.max_bytes(PAGE_BYTES);
        scan.descending = wanted.descending;
        Ok(Self {
            records,
            tenant,
            now,
            rest: Some(scan),
            suffix: wanted.suffix,
            skip: wanted.offset,
            left: if wanted.limit == 0 { u64::MAX } else { wanted.limit },
            size: FIRST,
            pages: 0,
            turns,
        })
    }

    /// What the next page has of what is wanted, which may be nothing; none behind the last page.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        let Some(scan) = self.rest.take().filter(|_| self.left > 0) else {
            return Ok(None);
        };
        let _turn = match self.pages >= SHORT {
            true => self.turns.take(self.tenant.id()).await,
            false => None,
        };
        self.pages += 1;
        let size = self.page_size();
        let page = self
            .records
            .scan(&self.tenant, scan.clone().limit(size), self.now)
            .await?;
        // A page may be short by its bytes: only an empty one is the last.
        self.rest = page.last().map(|last| scan.after(&last.key));
        self.size = (size * 4).min(MOST);
        Ok(Some(page.into_iter().filter(|record| self.wants(record)).collect()))
    }

    /// No more than can be of use, where each record counts.
    fn page_size(&self) -> usize {
        let useful = match self.suffix.is_empty() {
            true => usize::try_from(self.skip.saturating_add(self.left)).unwrap_or(Scan::MAX),
            false => Scan::MAX,
        };
        self.size.min(useful)
    }

    fn wants(&mut self, record: &Record) -> bool {
        if !record.key.ends_with(&self.suffix) || self.left == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.left -= 1;
        true
    }
}

//! Records by key, and by how their keys begin and end.

use futures::{Stream, stream};
use micro_tenancy::Tenant;

use super::key;
use crate::{
    App, Refusal,
    store::{
        entry::Entry,
        search::{Search, Wanted},
    },
};

/// One answer holds no more bytes than this: clients take 16 MiB.
const MOST: usize = 12 << 20;

impl App {
    /// The record of that key.
    pub async fn get_record(&self, tenant: &Tenant, table: &str, name: &str) -> Result<Entry, Refusal> {
        let key = key(tenant, table, name)?;
        let found = self.parts.records.get(tenant, &[key], self.parts.clock.now()).await?;
        let record = found.into_iter().flatten().next().ok_or(Refusal::NotFound)?;
        Ok(Entry::read(record)?)
    }

    /// The records that are wanted, in order.
    pub async fn find_records(&self, tenant: &Tenant, table: &str, wanted: Wanted) -> Result<Vec<Entry>, Refusal> {
        let mut search = self.search(tenant, table, wanted)?;
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some(page) = search.next().await? {
            for record in page {
                bytes += record.key.len() + record.value.len();
                if bytes > MOST {
                    return Err(Refusal::Found(MOST));
                }
                found.push(Entry::read(record)?);
            }
        }
        Ok(found)
    }

    /// The keys of the records that are wanted, in order, a page at a time: at least one page, which may be empty.
    pub fn list_keys(
        &self,
        tenant: &Tenant,
        table: &str,
        wanted: Wanted,
    ) -> Result<impl Stream<Item = Result<Vec<String>, Refusal>> + Send + 'static, Refusal> {
        let search = self.search(tenant, table, wanted)?;
        Ok(stream::try_unfold((search, true), |(mut search, first)| async move {
            while let Some(page) = search.next().await? {
                if !page.is_empty() {
                    let keys = page.into_iter().map(|record| record.key).collect();
                    return Ok(Some((keys, (search, false))));
                }
            }
            Ok(first.then(|| (Vec::new(), (search, false))))
        }))
    }

    fn search(&self, tenant: &Tenant, table: &str, wanted: Wanted) -> Result<Search, Refusal> {
        let records = self.parts.records.clone();
        Ok(Search::new(
            records,
            tenant.clone(),
            table,
            wanted,
            self.parts.clock.now(),
        )?)
    }
}

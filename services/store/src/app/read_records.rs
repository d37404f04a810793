//! Records by key, and by how their keys begin and end.

use futures::{Stream, stream};
use micro_domain::Limit;
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
/// An answer that gets longer than this is put together beside few others of its namespace.
const LIGHT: usize = 1 << 20;
/// See [`LIGHT`].
const HEAVY: Limit = Limit {
    name: "store.big_answers",
    max: 16,
};

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
        let (mut bytes, mut heavy) = (0, None);
        while let Some(page) = search.next().await? {
            if bytes > LIGHT && heavy.is_none() {
                heavy = Some(self.finding.enter(tenant.id(), HEAVY)?);
            }
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

    pub(super) fn search(&self, tenant: &Tenant, table: &str, wanted: Wanted) -> Result<Search, Refusal> {
        let records = self.parts.records.clone();
        Ok(Search::new(
            records,
            tenant.clone(),
            table,
            wanted,
            self.parts.clock.now(),
            self.turns.clone(),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use micro_clock::TestClock;
    use micro_domain::Limits;
    use micro_storage::{
        memory::{MemoryBlobs, MemoryRecords},
        records::Expect,
    };
    use micro_testkit::{authority, principal};

    use super::*;
    use crate::{Parts, app::write_record::Draft};

    #[tokio::test]
    async fn big_answers_are_put_together_beside_few_others() {
        let app = App::new(Parts {
            records: Arc::new(MemoryRecords::default()),
            blobs: Arc::new(MemoryBlobs::default()),
            clock: Arc::new(TestClock::default()),
            authority: authority(),
            limits: Limits::DEVELOPER,
        });
        let tenant = authority()
            .verified(principal("ada-ns", "ada"))
            .enter("")
            .expect("hers");
        for n in 0..100 {
            let draft = Draft {
                key: format!("big-{n:03}"),
                value: vec![b'x'; LIGHT / 32],
                metadata: Default::default(),
                lives: None,
            };
            app.write_record(&tenant, "t", draft, Expect::Any)
                .await
                .expect("written");
        }
        let find = |prefix: &str| {
            let wanted = Wanted {
                prefix: prefix.into(),
                ..Wanted::default()
            };
            app.find_records(&tenant, "t", wanted)
        };
        let mut others: Vec<_> = (0..HEAVY.max)
            .map(|_| app.finding.enter(tenant.id(), HEAVY).expect("room"))
            .collect();
        assert!(matches!(find("big").await, Err(Refusal::Busy(_))));
        assert_eq!(find("big-00").await.expect("a small answer").len(), 10);
        others.pop();
        assert_eq!(find("big").await.expect("room again").len(), 100);
    }
}

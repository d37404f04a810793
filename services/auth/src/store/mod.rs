//! What auth keeps, in Records: one file a noun.

pub mod accounts;
pub mod instances;
pub mod revocations;
pub mod rules;
pub mod sessions;
pub mod tally;

use micro_storage::{
    StoreError,
    records::{Key, Record, Records, Scan, Write, Written},
};
use micro_tenancy::Tenant;
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;

/// Records of one namespace at one time.
#[derive(Clone, Copy)]
pub struct Store<'s> {
    pub records: &'s dyn Records,
    pub tenant: &'s Tenant,
    pub now: OffsetDateTime,
}

impl Store<'_> {
    async fn read<T: DeserializeOwned>(&self, key: Key) -> Result<Option<(T, Record)>, StoreError> {
        let found = self.records.get(self.tenant, &[key], self.now).await?;
        found
            .into_iter()
            .next()
            .flatten()
            .map(|record| Ok((parse(&record)?, record)))
            .transpose()
    }

    /// Every live record whose key starts with `prefix`, at most `limit`.
    async fn all(&self, table: &str, prefix: &str, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        let mut scan = Scan::core(table, prefix);
        while found.len() < limit {
            let page = self
                .records
                .scan(self.tenant, scan.clone().limit(limit - found.len()), self.now)
                .await?;
            let Some(last) = page.last() else { break };
            scan = scan.after(&last.key);
            found.extend(page);
        }
        Ok(found)
    }

    /// Writes a batch; once more where another writer was in the way without breaking a condition.
    async fn write(&self, batch: Vec<Write>) -> Result<Written, StoreError> {
        let mut tries = 0;
        loop {
            match self.records.write(self.tenant, batch.clone(), self.now).await {
                Err(StoreError::Contended(_)) if tries < 5 => tries += 1,
                done => return done,
            }
        }
    }
}

fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.value).map_err(|_| StoreError::Damaged("a record of auth does not parse".into()))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("values of ours are plain data")
}

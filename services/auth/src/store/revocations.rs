//! Revocations, in the platform's own namespace and in order of time: what other replicas read.

use std::ops::Bound;

use micro_clock::Ids;
use micro_storage::{
    StoreError,
    records::{Key, Scan, Write},
};
use micro_tenancy::{Revocation, Revocations};
use time::{Duration, OffsetDateTime};

use super::{Store, json, parse};

const TABLE: &str = "revocations";

/// How far clocks of replicas, and a commit behind its time, may lag.
const OVERLAP: Duration = Duration::MINUTE;

fn prefix(at: OffsetDateTime) -> String {
    format!("{:013}", at.unix_timestamp_nanos() / 1_000_000)
}

impl Store<'_> {
    /// Stores revocations, for as long as tokens may outlive them.
    pub async fn add_revocations(&self, revoked: &[Revocation]) -> Result<(), StoreError> {
        for some in revoked.chunks(100) {
            let key = || Key::core(TABLE, format!("{}-{}", prefix(self.now), Ids.random()));
            let put = |what| Write::put(key(), json(what)).until(self.now + Revocations::KEEP);
            self.write(some.iter().map(put).collect()).await?;
        }
        Ok(())
    }

    /// What was revoked since about `since`, with its time.
    pub async fn list_revocations(
        &self,
        since: OffsetDateTime,
    ) -> Result<Vec<(Revocation, OffsetDateTime)>, StoreError> {
        let mut scan = Scan::core(TABLE, "");
        scan.from = Bound::Included(prefix(since - OVERLAP));
        let mut revoked = Vec::new();
        loop {
            let page = self.records.scan(self.tenant, scan.clone(), self.now).await?;
            let Some(last) = page.last() else { return Ok(revoked) };
            scan = scan.after(&last.key);
            for record in &page {
                let damaged = || StoreError::Damaged("a revocation's key is not a time".into());
                let millis: i128 = record.key.get(..13).and_then(|t| t.parse().ok()).ok_or_else(damaged)?;
                let at = OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000).map_err(|_| damaged())?;
                revoked.push((parse(record)?, at));
            }
        }
    }
}

//! How much of its limits a namespace uses here.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::{Reports, Tenant, Used};

use crate::App;

#[async_trait]
impl Reports for App {
    fn service(&self) -> &'static str {
        "store"
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error> {
        let kept = self.parts.records.usage(tenant).await?;
        let blobs = self.index(tenant).used().await?;
        let (limits, used) = (&self.parts.limits, |limit, used| Used { limit, used });
        Ok(vec![
            used(limits.records, kept.keys),
            used(limits.records_bytes, kept.bytes),
            used(limits.blobs_bytes, blobs),
        ])
    }
}

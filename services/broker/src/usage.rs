//! What a namespace uses of the broker's limits, in this process.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::{Reports, Tenant, Used};

use crate::App;

#[async_trait]
impl Reports for App {
    fn service(&self) -> &'static str {
        "broker"
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error> {
        let (subscribers, topics) = self.seats.count(tenant.id());
        let (limits, used) = (&self.parts.limits, |limit, used| Used { limit, used });
        Ok(vec![used(limits.topics, topics), used(limits.subscribers, subscribers)])
    }
}

//! What a namespace uses of the limits on events.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::{Reports, Tenant, Used};

use crate::{App, place::Place};

#[async_trait]
impl Reports for App {
    fn service(&self) -> &'static str {
        "events"
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error> {
        let topics = self.stored.count_topics(tenant).await?;
        let groups = self.stored.groups(&Place::named(tenant, "")).await?.len() as u64;
        let (limits, used) = (&self.parts.limits, |limit, used| Used { limit, used });
        Ok(vec![
            used(limits.topics, topics),
            used(limits.groups, groups),
            used(limits.subscribers, self.consumers.count(&tenant.id())),
        ])
    }
}

//! What a namespace uses of the limits that are kept here.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::{Reports, Tenant, Used};

use crate::{App, store::tally::Counted};

#[async_trait]
impl Reports for App {
    fn service(&self) -> &'static str {
        "auth"
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error> {
        let (store, limits) = (self.store(tenant, self.parts.clock.now()), &self.config.limits);
        let counted = [(Counted::Accounts, limits.accounts), (Counted::Rules, limits.rules)];
        let mut all = Vec::with_capacity(counted.len());
        for (what, limit) in counted {
            let used = store.tally(what).await?.count;
            all.push(Used { limit, used });
        }
        Ok(all)
    }
}

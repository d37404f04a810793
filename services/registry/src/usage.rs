//! What a namespace uses of the registry's limits.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::{Reports, Tenant, Used};

use crate::App;

#[async_trait]
impl Reports for App {
    fn service(&self) -> &'static str {
        "registry"
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error> {
        let limits = &self.parts.limits;
        let (versions, nodes) = self.catalog.space(tenant.id()).map_or((0, 0), |space| space.count());
        let used = |limit, used| Used { limit, used };
        Ok(vec![
            used(limits.registrations, versions),
            used(limits.nodes, nodes),
            used(limits.watchers, self.watching.count(&tenant.id())),
        ])
    }
}

//! What a namespace uses of the limits that are kept here.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::{Reports, Tenant, Used};

use crate::App;

#[async_trait]
impl Reports for App {
    fn service(&self) -> &'static str {
        "config"
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error> {
        let tree = self.find_tree(tenant).await?;
        let limits = &self.parts.limits;
        Ok(vec![
            Used {
                limit: limits.config_bytes,
                used: tree.map_or(0, |tree| tree.value.len() as u64),
            },
            Used {
                limit: limits.watchers,
                used: self.watchers.count(&tenant.id()),
            },
        ])
    }
}

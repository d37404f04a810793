//! What a namespace uses of the limits that are kept here.

use async_trait::async_trait;
use micro_error::Error;
use micro_tenancy::{Reports, Tenant, Used};

use crate::Runtime;

#[async_trait]
impl Reports for Runtime {
    fn service(&self) -> &'static str {
        "runtime"
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Vec<Used>, Error> {
        let services = self.shared.store.services(tenant).await.map_err(Error::internal)?;
        Ok(vec![Used {
            limit: self.shared.limits.services,
            used: services.len() as u64,
        }])
    }
}

//! What the runtime stands around a namespace before anybody sees it, and how it is taken down with all it holds.

use micro_domain::Namespace;
use micro_error::Error;
use micro_tenancy::Tenant;

use crate::{Runtime, state::ServiceId};

impl Runtime {
    /// Gives a namespace uids and a folder of its own. Safe to repeat.
    pub async fn admit(&self, namespace: &Namespace) -> Result<(), Error> {
        let shared = &self.shared;
        shared
            .store
            .ensure_namespace(namespace)
            .await
            .map_err(Error::internal)?;
        shared.layout.ensure_namespace(namespace.id).map_err(Error::internal)
    }

    /// Ends and forgets every service of a namespace. Safe to repeat.
    pub async fn evict(&self, namespace: &Namespace) -> Result<(), Error> {
        let tenant = self.shared.store.enter(namespace);
        for service in self.shared.store.services(&tenant).await.map_err(Error::internal)? {
            self.remove(&tenant, &service.id).await?;
        }
        Ok(())
    }

    /// Forgets one service, ends what runs of it and removes its folder; whether there was one.
    pub(crate) async fn remove(&self, tenant: &Tenant, id: &ServiceId) -> Result<bool, Error> {
        if !self.shared.store.forget(tenant, id).await.map_err(Error::internal)? {
            return Ok(false);
        }
        if let Some(service) = self.service(tenant.id(), id) {
            service.erase().await;
            let key = (tenant.id(), id.clone());
            let mut services = self.services();
            // Unless it was created again meanwhile.
            if services
                .get(&key)
                .is_some_and(|known| std::sync::Arc::ptr_eq(&known.service, &service))
            {
                services.remove(&key);
            }
        }
        Ok(true)
    }
}

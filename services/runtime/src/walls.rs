//! What the runtime stands around a namespace before anybody sees it, and how it is taken down with all it holds.

use std::{sync::Arc, time::Duration};

use micro_domain::Namespace;
use micro_error::{Error, Kind};
use micro_tenancy::Tenant;
use tokio::time::{Instant, sleep};

use crate::{Runtime, state::ServiceId};

/// How often a server that runs services looks whether a namespace is to leave, and whoever asked whether it has.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long whoever asked waits: a server that died has to be replaced first.
const PATIENCE: Duration = Duration::from_secs(30);

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

    /// Ends and forgets every service of a namespace; where another server runs them, has that one do it. Safe to
    /// repeat.
    pub async fn evict(&self, namespace: &Namespace) -> Result<(), Error> {
        if self.shared.duty.holds() {
            return self.clear(namespace).await;
        }
        let store = &self.shared.store;
        store.ask_to_leave(namespace).await.map_err(Error::internal)?;
        let until = Instant::now() + PATIENCE;
        while store.is_to_leave(namespace).await.map_err(Error::internal)? {
            if Instant::now() >= until {
                let text = "The namespace's services are still ending. Please try again.";
                return Err(Error::new(Kind::Unavailable, "runtime", text));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Ends and forgets the services of namespaces that other servers asked to have cleared, as long as it is polled.
    pub async fn see_off(&self) {
        loop {
            if let Err(e) = self.see_off_once().await {
                tracing::warn!(error = ?e, "namespaces that are to leave are still there");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn see_off_once(&self) -> Result<(), Error> {
        for namespace in self.shared.store.leaving().await.map_err(Error::internal)? {
            self.clear(&namespace).await?;
            self.shared.store.has_left(&namespace).await.map_err(Error::internal)?;
        }
        Ok(())
    }

    async fn clear(&self, namespace: &Namespace) -> Result<(), Error> {
        let tenant = self.shared.store.enter(namespace);
        for service in self.shared.store.services(&tenant).await.map_err(Error::internal)? {
            self.remove(&tenant, &service.id).await?;
        }
        self.shared.registrations.forget_all(namespace.id);
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
                .is_some_and(|known| Arc::ptr_eq(&known.service, &service))
            {
                services.remove(&key);
            }
        }
        Ok(true)
    }
}

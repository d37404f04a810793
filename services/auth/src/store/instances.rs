//! Credentials of running instances, in the platform's own namespace: each may be renewed while its record is here.

use micro_domain::{InstanceId, NamespaceId};
use micro_storage::{
    StoreError,
    records::{Key, Write},
};
use time::Duration;

use super::Store;

const TABLE: &str = "instances";
/// How long a record stays without a renewal: for instances whose end nobody saw.
const IDLE: Duration = Duration::days(7);

fn key(namespace: NamespaceId, instance: InstanceId) -> Key {
    Key::core(TABLE, format!("{namespace}/{instance}"))
}

impl Store<'_> {
    /// Remembers that the instance runs.
    pub async fn put_instance(&self, namespace: NamespaceId, instance: InstanceId) -> Result<(), StoreError> {
        let write = Write::put(key(namespace, instance), "{}").until(self.now + IDLE);
        self.write(vec![write]).await.map(|_| ())
    }

    /// Whether the instance runs; keeps its record from running out.
    pub async fn instance_runs(&self, namespace: NamespaceId, instance: InstanceId) -> Result<bool, StoreError> {
        let found = self
            .records
            .get(self.tenant, &[key(namespace, instance)], self.now)
            .await?;
        let Some(record) = found.into_iter().next().flatten() else {
            return Ok(false);
        };
        if record.expires_at.is_some_and(|at| at - self.now < IDLE / 2) {
            self.put_instance(namespace, instance).await?;
        }
        Ok(true)
    }

    /// Forgets an instance.
    pub async fn remove_instance(&self, namespace: NamespaceId, instance: InstanceId) -> Result<(), StoreError> {
        self.write(vec![Write::delete(key(namespace, instance))])
            .await
            .map(|_| ())
    }
}

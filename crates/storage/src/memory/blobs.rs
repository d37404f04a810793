//! Blobs in a sorted map.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use micro_domain::NamespaceId;
use micro_tenancy::Tenant;

use crate::{
    StoreError,
    blobs::{Blobs, ByteStream, check_blob_key, too_big},
};

/// Blobs that last as long as the process.
#[derive(Debug, Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<(NamespaceId, String), Bytes>>);

impl MemoryBlobs {
    fn blobs(&self) -> MutexGuard<'_, BTreeMap<(NamespaceId, String), Bytes>> {
        self.0.lock().expect("no panic while holding the blobs")
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, tenant: &Tenant, key: &str, mut body: ByteStream<'_>, max: u64) -> Result<u64, StoreError> {
        check_blob_key(key)?;
        let mut whole = BytesMut::new();
        while let Some(part) = body.try_next().await? {
            if (whole.len() + part.len()) as u64 > max {
                return Err(too_big(max));
            }
            whole.extend_from_slice(&part);
        }
        let size = whole.len() as u64;
        self.blobs().insert((tenant.id(), key.to_owned()), whole.freeze());
        Ok(size)
    }

    async fn get(&self, tenant: &Tenant, key: &str) -> Result<Option<(u64, ByteStream<'static>)>, StoreError> {
        check_blob_key(key)?;
        let found = self.blobs().get(&(tenant.id(), key.to_owned())).cloned();
        Ok(found.map(|bytes| (bytes.len() as u64, stream::iter([Ok(bytes)]).boxed())))
    }

    async fn delete(&self, tenant: &Tenant, key: &str) -> Result<bool, StoreError> {
        check_blob_key(key)?;
        Ok(self.blobs().remove(&(tenant.id(), key.to_owned())).is_some())
    }

    async fn list(&self, tenant: &Tenant, prefix: &str) -> Result<Vec<String>, StoreError> {
        let blobs = self.blobs();
        let from = (tenant.id(), prefix.to_owned());
        let ours = blobs.range(from..).map(|(at, _)| at);
        Ok(ours
            .take_while(|(ns, key)| *ns == tenant.id() && key.starts_with(prefix))
            .map(|(_, key)| key.clone())
            .collect())
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.blobs().retain(|(ns, _), _| *ns != tenant.id());
        Ok(())
    }
}

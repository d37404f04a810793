//! Blobs: big values by key, streamed, over `object_store`. Every path starts with the namespace's id.

mod object;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use micro_tenancy::Tenant;

use crate::StoreError;

pub use object::ObjectBlobs;

/// A blob's bytes as they arrive.
pub type ByteStream<'a> = BoxStream<'a, Result<Bytes, StoreError>>;

/// Refuses keys that are not plain relative paths.
pub(crate) fn check_blob_key(key: &str) -> Result<(), StoreError> {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@+=".contains(c))
    };
    if key.len() <= 512 && key.split('/').all(plain) {
        Ok(())
    } else {
        Err(StoreError::Invalid(
            "a blob's key is a relative path of letters, digits and -_.:@+=, at most 512 bytes".into(),
        ))
    }
}

pub(crate) fn too_big(max: u64) -> StoreError {
    StoreError::Invalid(format!("more than {max} bytes"))
}

/// Big values.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Stores a blob whole or not at all; refuses more than `max` bytes. How many bytes it has.
    async fn put(&self, tenant: &Tenant, key: &str, body: ByteStream<'_>, max: u64) -> Result<u64, StoreError>;

    /// A blob's size and bytes, if it exists.
    async fn get(&self, tenant: &Tenant, key: &str) -> Result<Option<(u64, ByteStream<'static>)>, StoreError>;

    /// Removes a blob; whether there was one.
    async fn delete(&self, tenant: &Tenant, key: &str) -> Result<bool, StoreError>;

    /// Keys that start with `prefix`, in order.
    async fn list(&self, tenant: &Tenant, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// Removes every blob of the namespace. What is put meanwhile may stay: safe to repeat.
    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError>;
}

//! Blobs over `object_store`. A blob appears whole, under its name, when all of it is stored.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::BytesMut;
use futures::{StreamExt, TryStreamExt};
use micro_tenancy::Tenant;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, local::LocalFileSystem, path::Path};
use url::Url;

use super::{Blobs, ByteStream, check_blob_key, too_big};
use crate::StoreError;

/// The least that S3 takes as a part.
const PART: usize = 5 << 20;

/// Blobs in a folder or, later, a bucket.
#[derive(Clone, Debug)]
pub struct ObjectBlobs(Arc<dyn ObjectStore>);

impl ObjectBlobs {
    /// Blobs in a folder of this machine, made if missing.
    pub fn in_folder(folder: impl AsRef<FsPath>) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(StoreError::failed)?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(StoreError::failed)?
            .with_fsync(true);
        Ok(Self(Arc::new(store)))
    }

    /// Blobs at an address such as `file:///var/lib/micro/blobs`.
    pub fn at(url: &str) -> Result<Self, StoreError> {
        let folder: Option<PathBuf> = Url::parse(url)
            .ok()
            .filter(|url| url.scheme() == "file")
            .and_then(|url| url.to_file_path().ok());
        match folder {
            Some(folder) => Self::in_folder(folder),
            None => Err(StoreError::Invalid(
                "blobs are kept in a folder for now: file:///path".into(),
            )),
        }
    }
}

fn path(tenant: &Tenant, key: &str) -> Result<Path, StoreError> {
    check_blob_key(key)?;
    Path::parse(format!("{}/{key}", tenant.id())).map_err(|error| StoreError::Invalid(error.to_string()))
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn put(&self, tenant: &Tenant, key: &str, mut body: ByteStream<'_>, max: u64) -> Result<u64, StoreError> {
        let path = path(tenant, key)?;
        let mut size = 0;
        let mut first = BytesMut::new();
        let mut ended = false;
        while first.len() < PART && !ended {
            match body.try_next().await? {
                Some(part) => {
                    size = grown(size, part.len(), max)?;
                    first.extend_from_slice(&part);
                }
                None => ended = true,
            }
        }
        if ended {
            self.0
                .put(&path, first.freeze().into())
                .await
                .map_err(StoreError::failed)?;
            return Ok(size);
        }
        let upload = self.0.put_multipart(&path).await.map_err(StoreError::failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        upload.put(first.freeze());
        match stream(&mut upload, &mut body, size, max).await {
            Ok(size) => {
                upload.finish().await.map_err(StoreError::failed)?;
                Ok(size)
            }
            Err(error) => {
                upload.abort().await.map_err(StoreError::failed)?;
                Err(error)
            }
        }
    }

    async fn get(&self, tenant: &Tenant, key: &str) -> Result<Option<(u64, ByteStream<'static>)>, StoreError> {
        match self.0.get(&path(tenant, key)?).await {
            Ok(found) => Ok(Some((
                found.meta.size,
                found.into_stream().map_err(StoreError::failed).boxed(),
            ))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::failed(error)),
        }
    }

    async fn delete(&self, tenant: &Tenant, key: &str) -> Result<bool, StoreError> {
        match self.0.delete(&path(tenant, key)?).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(StoreError::failed(error)),
        }
    }

    async fn list(&self, tenant: &Tenant, prefix: &str) -> Result<Vec<String>, StoreError> {
        // A store lists by whole path segments; what is left of the prefix is compared here.
        let root = format!("{}/", tenant.id());
        let folder = match prefix.rsplit_once('/') {
            Some((folder, _)) => path(tenant, folder)?,
            None => Path::from(tenant.id().to_string()),
        };
        let all: Vec<_> = self
            .0
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(StoreError::failed)?;
        let keys = all.iter().filter_map(|blob| blob.location.as_ref().strip_prefix(&root));
        let mut keys: Vec<String> = keys.filter(|key| key.starts_with(prefix)).map(str::to_owned).collect();
        keys.sort();
        Ok(keys)
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let all = self.0.list(Some(&Path::from(tenant.id().to_string())));
        let paths = all.map_ok(|blob| blob.location).boxed();
        let gone = self.0.delete_stream(paths);
        gone.try_for_each(|_| async { Ok(()) })
            .await
            .map_err(StoreError::failed)
    }
}

/// The size with one part more, unless that is too much.
fn grown(size: u64, part: usize, max: u64) -> Result<u64, StoreError> {
    match size + part as u64 {
        size if size <= max => Ok(size),
        _ => Err(too_big(max)),
    }
}

/// Sends the rest, at most two parts at a time.
async fn stream(
    upload: &mut WriteMultipart,
    body: &mut ByteStream<'_>,
    mut size: u64,
    max: u64,
) -> Result<u64, StoreError> {
    while let Some(part) = body.try_next().await? {
        size = grown(size, part.len(), max)?;
        upload.wait_for_capacity(2).await.map_err(StoreError::failed)?;
        upload.put(part);
    }
    Ok(size)
}

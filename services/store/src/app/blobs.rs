//! Writing, reading and removing a blob: streamed, never held in memory whole.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use micro_clock::Ids;
use micro_error::Error;
use micro_rpc::Streaming;
use micro_storage::{StoreError, blobs::ByteStream};
use micro_tenancy::Tenant;

use crate::{
    App, Refusal,
    store::blob_index::{Blob, BlobIndex, Named},
};

/// A message of a blob has at most so many bytes.
pub const CHUNK: usize = 64 << 10;
/// How often a blob that is replaced while somebody asks for it is looked for again.
const TRIES: usize = 5;

impl App {
    /// Stores a blob whole or not at all.
    pub async fn write_blob(&self, tenant: &Tenant, key: &str, body: Streaming<Bytes>) -> Result<(), Refusal> {
        let index = self.index(tenant);
        let limit = self.parts.limits.blobs_bytes;
        self.collect(&index).await?;
        let used = index.used_beside(key).await?;
        let id = Ids.ordered().to_string();
        index.begin(&id).await?;
        let body = body.map_err(|error: Error| StoreError::Failed(error.into()));
        let room = limit.max.saturating_sub(used);
        let stored = self
            .parts
            .blobs
            .put(tenant, &Blob::place(&id), body.boxed(), room)
            .await;
        let named = match stored {
            Ok(0) => Err(Refusal::NoBlob),
            Ok(bytes) => match self
                .index(tenant)
                .name(key, &Blob { id: id.clone(), bytes }, limit.max)
                .await?
            {
                Named::Done(replaced) => Ok(replaced),
                Named::Full(used) => Err(Refusal::Blobs { used, limit }),
                Named::Collected => Err(StoreError::Contended(None).into()),
            },
            // The place is ours and valid: what is refused is the size.
            Err(StoreError::Invalid(_)) => Err(Refusal::Blobs { used, limit }),
            Err(StoreError::Failed(cause)) => Err(match cause.downcast::<Error>() {
                Ok(error) => Refusal::Sender(*error),
                Err(cause) => StoreError::Failed(cause).into(),
            }),
            Err(error) => Err(error.into()),
        };
        match named {
            Ok(Some(replaced)) => Ok(self.discard(&index, &replaced.id).await?),
            Ok(None) => Ok(()),
            Err(refusal) => {
                self.discard(&index, &id).await?;
                Err(refusal)
            }
        }
    }

    /// A blob's bytes, in parts of at most [`CHUNK`].
    pub async fn read_blob(
        &self,
        tenant: &Tenant,
        key: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static, Refusal> {
        for _ in 0..TRIES {
            let blob = self.index(tenant).find(key).await?.ok_or(Refusal::NoSuchBlob)?;
            // None where it was replaced since: the key leads elsewhere now.
            if let Some((_, bytes)) = self.parts.blobs.get(tenant, &Blob::place(&blob.id)).await? {
                return Ok(chunks(bytes));
            }
        }
        Err(StoreError::Damaged("the bytes of a blob are missing".into()).into())
    }

    /// Removes a blob, if there is one.
    pub async fn delete_blob(&self, tenant: &Tenant, key: &str) -> Result<(), Refusal> {
        let index = self.index(tenant);
        if let Some(blob) = index.unname(key).await? {
            self.discard(&index, &blob.id).await?;
        }
        Ok(())
    }

    fn index<'s>(&'s self, tenant: &'s Tenant) -> BlobIndex<'s> {
        BlobIndex {
            records: self.parts.records.as_ref(),
            tenant,
            now: self.parts.clock.now(),
        }
    }

    /// Removes what uploads that never ended have left.
    async fn collect(&self, index: &BlobIndex<'_>) -> Result<(), StoreError> {
        for id in index.forgotten().await? {
            self.discard(index, &id).await?;
        }
        Ok(())
    }

    /// Removes the bytes of an id that no key leads to.
    async fn discard(&self, index: &BlobIndex<'_>, id: &str) -> Result<(), StoreError> {
        self.parts.blobs.delete(index.tenant, &Blob::place(id)).await?;
        index.gone(id).await
    }
}

/// The same bytes in parts that are neither tiny nor big.
fn chunks(bytes: ByteStream<'static>) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
    stream::try_unfold((bytes.fuse(), BytesMut::new()), |(mut bytes, mut held)| async move {
        while held.len() < CHUNK {
            match bytes.try_next().await? {
                Some(part) => held.extend_from_slice(&part),
                None => break,
            }
        }
        if held.is_empty() {
            return Ok(None);
        }
        let chunk = held.split_to(held.len().min(CHUNK)).freeze();
        Ok(Some((chunk, (bytes, held))))
    })
}

//! Writing, reading, listing and removing a blob: streamed, never held in memory whole.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use micro_clock::Ids;
use micro_limits::Permit;
use micro_rpc::Streaming;
use micro_storage::{
    StoreError,
    blobs::{Blobs, ByteStream},
};
use micro_tenancy::Tenant;

use super::{collect::Unfinished, uploads::key_of};
use crate::{
    App, Refusal,
    store::{
        blob_index::{Blob, BlobIndex, Upload},
        pieces::Piece,
    },
};

/// A message of a blob has at most so many bytes.
pub const CHUNK: usize = 64 << 10;
/// Blobs of one page of a list.
const PAGE: usize = 1_000;

/// A blob, and its bytes as they come.
pub type Opened = (Blob, Streaming<Bytes>);

impl App {
    /// Stores a blob whole or not at all.
    pub async fn write_blob(&self, tenant: &Tenant, key: &str, body: Streaming<Bytes>) -> Result<(), Refusal> {
        let upload = Upload::new(Ids.ordered().to_string(), key, self.parts.clock.now());
        if !self.index(tenant).begin(&upload, None).await? {
            return Err(StoreError::Contended(None).into());
        }
        let unfinished = Unfinished::of(self, tenant, &upload.id);
        let written = self.write_all(tenant, &upload.id, body).await;
        if written.is_err() {
            self.abandon_upload(tenant, &upload.id).await?;
        }
        unfinished.done();
        written
    }

    async fn write_all(&self, tenant: &Tenant, id: &str, body: Streaming<Bytes>) -> Result<(), Refusal> {
        self.remember(tenant).await?;
        self.send(tenant, id, 0, body).await?;
        self.finish_upload(tenant, id, "").await.map(drop)
    }

    /// A blob's bytes from `offset` on, in parts of at most [`CHUNK`]; of this revision only, if one is named.
    pub async fn read_blob(&self, tenant: &Tenant, key: &str, offset: u64, revision: &str) -> Result<Opened, Refusal> {
        let blob = self.index(tenant).find(key).await?.ok_or(Refusal::NoSuchBlob)?;
        if !revision.is_empty() && revision != blob.id {
            return Err(Refusal::Replaced);
        }
        if offset > blob.pieces.bytes() {
            return Err(Refusal::Behind(blob.pieces.bytes()));
        }
        let reading = self.reading.enter(key_of(tenant, &blob.id), super::collect::READERS)?;
        let (pieces, before) = blob.pieces.from(offset);
        let bytes = pieces_of(
            self.parts.blobs.clone(),
            tenant.clone(),
            blob.id.clone(),
            pieces,
            before,
        );
        let (app, tenant, key, id) = (self.clone(), tenant.clone(), key.to_owned(), blob.id.clone());
        let bytes = bytes.or_else(move |error| {
            let (app, tenant, key, id) = (app.clone(), tenant.clone(), key.clone(), id.clone());
            async move { Err(app.why_unread(&tenant, &key, &id, error).await.at("store.Blob.Read")) }
        });
        Ok((blob, while_reading(chunks(bytes.boxed()).boxed(), reading)))
    }

    /// Why bytes of a blob cannot be read: another replica, which sees no readers of this one, may have removed them
    /// since the key leads elsewhere.
    async fn why_unread(&self, tenant: &Tenant, key: &str, id: &str, error: StoreError) -> Refusal {
        match self.index(tenant).find(key).await {
            Ok(found) if found.as_ref().is_none_or(|found| found.id != id) => Refusal::Replaced,
            _ => error.into(),
        }
    }

    /// Removes a blob, if there is one.
    pub async fn delete_blob(&self, tenant: &Tenant, key: &str) -> Result<(), Refusal> {
        match self.index(tenant).unname(key).await? {
            Some(leaving) => Ok(self.remove_bytes(tenant, &leaving).await.map(drop)?),
            None => Ok(()),
        }
    }

    /// A page of the blobs whose keys begin so, behind a key.
    pub async fn list_blobs(
        &self,
        tenant: &Tenant,
        prefix: &str,
        after: &str,
        limit: u64,
    ) -> Result<Vec<(String, Blob)>, StoreError> {
        let limit = match usize::try_from(limit) {
            Ok(0) | Err(_) => PAGE,
            Ok(asked) => asked.min(PAGE),
        };
        self.index(tenant).list(prefix, after, limit).await
    }

    pub(super) fn index<'s>(&'s self, tenant: &'s Tenant) -> BlobIndex<'s> {
        BlobIndex {
            records: self.parts.records.as_ref(),
            tenant,
            now: self.parts.clock.now(),
        }
    }
}

/// The bytes of pieces, one after the other, but for the first few.
pub fn pieces_of(
    blobs: Arc<dyn Blobs>,
    tenant: Tenant,
    id: String,
    pieces: Vec<Piece>,
    before: u64,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
    let open = move |piece: Piece| {
        let (blobs, tenant, place) = (blobs.clone(), tenant.clone(), piece.place(&id));
        async move {
            let found = blobs.get(&tenant, &place).await?;
            let missing = || StoreError::Damaged("bytes of a blob are missing".into());
            Ok::<ByteStream<'static>, StoreError>(found.ok_or_else(missing)?.1)
        }
    };
    let all = stream::iter(pieces).then(open).try_flatten();
    let mut skip = before;
    all.try_filter_map(move |mut bytes| {
        let passed = skip.min(bytes.len() as u64);
        skip -= passed;
        let rest = bytes.split_off(passed as usize);
        futures::future::ready(Ok((!rest.is_empty()).then_some(rest)))
    })
}

/// The same bytes; what holds the reader's place goes with them.
fn while_reading<K>(bytes: Streaming<Bytes>, reading: Permit<K>) -> Streaming<Bytes>
where
    K: std::hash::Hash + Eq + Clone + Send + 'static,
{
    let held = (bytes, reading);
    stream::unfold(held, |(mut bytes, reading)| async move {
        let next = bytes.next().await?;
        Some((next, (bytes, reading)))
    })
    .boxed()
}

/// The same bytes in parts that are neither tiny nor big.
fn chunks<E: Send + 'static>(
    bytes: std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, E>> + Send>>,
) -> impl Stream<Item = Result<Bytes, E>> + Send + 'static {
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

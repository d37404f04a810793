//! `store.Blobs`: uploads and downloads that are taken up again where they stopped. Ours.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use micro_error::Error;
use micro_proto::store::{
    AbandonUploadRequest, AbandonUploadResponse, BeginUploadRequest, Blob, BlobPart, Blobs, FetchBlobRequest,
    FinishUploadRequest, ListBlobsRequest, ListBlobsResponse, Upload, UploadPart,
};
use micro_rpc::Streaming;
use micro_tenancy::Caller;

use super::{
    blobs::{enter_blob, enter_blobs},
    enter,
};
use crate::{App, Refusal, app::uploads::Announced, store::blob_index};

#[async_trait]
impl Blobs for App {
    async fn begin(&self, caller: &Caller, request: BeginUploadRequest) -> Result<Upload, Error> {
        let id = "store.Blobs.Begin";
        let tenant = enter_blob(caller, request.options.as_ref(), &request.key, id)?;
        let announced = Announced {
            bytes: request.bytes,
            sha256: request.sha256,
        };
        let begun = self.begin_upload(&tenant, &request.key, announced).await;
        begun.map(upload).map_err(|e| e.at(id))
    }

    async fn send(&self, caller: &Caller, mut request: Streaming<UploadPart>) -> Result<Upload, Error> {
        let id = "store.Blobs.Send";
        let Some(first) = request.next().await.transpose()? else {
            enter(caller, "", id)?;
            return Err(Refusal::NoSuchUpload.at(id));
        };
        let tenant = enter_blobs(caller, first.options.as_ref(), id)?;
        let rest = request.map(|part| part.map(|part| Bytes::from(part.data)));
        let body = stream::iter([Ok(Bytes::from(first.data))]).chain(rest);
        let sent = self.send(&tenant, &first.upload, first.offset, body.boxed()).await;
        sent.map(upload).map_err(|e| e.at(id))
    }

    async fn finish(&self, caller: &Caller, request: FinishUploadRequest) -> Result<Blob, Error> {
        let id = "store.Blobs.Finish";
        let tenant = enter_blobs(caller, request.options.as_ref(), id)?;
        let finished = self.finish_upload(&tenant, &request.upload, &request.sha256).await;
        let (key, found) = finished.map_err(|e| e.at(id))?;
        Ok(blob(key, found))
    }

    async fn abandon(&self, caller: &Caller, request: AbandonUploadRequest) -> Result<AbandonUploadResponse, Error> {
        let id = "store.Blobs.Abandon";
        let tenant = enter_blobs(caller, request.options.as_ref(), id)?;
        self.abandon_upload(&tenant, &request.upload)
            .await
            .map_err(|e| e.at(id))?;
        Ok(AbandonUploadResponse {})
    }

    async fn fetch(&self, caller: &Caller, request: FetchBlobRequest) -> Result<Streaming<BlobPart>, Error> {
        let id = "store.Blobs.Fetch";
        let tenant = enter_blob(caller, request.options.as_ref(), &request.key, id)?;
        let opened = self
            .read_blob(&tenant, &request.key, request.offset, &request.revision)
            .await;
        let (found, chunks) = opened.map_err(|e| e.at(id))?;
        let first = BlobPart {
            blob: Some(blob(request.key, found)),
            data: Vec::new(),
        };
        let part = |chunk: Bytes| BlobPart {
            blob: None,
            data: chunk.into(),
        };
        let rest = chunks.map(move |chunk| chunk.map(part).map_err(|e| e.with_id(id)));
        Ok(stream::iter([Ok(first)]).chain(rest).boxed())
    }

    async fn list(&self, caller: &Caller, request: ListBlobsRequest) -> Result<ListBlobsResponse, Error> {
        let id = "store.Blobs.List";
        let tenant = enter_blobs(caller, request.options.as_ref(), id)?;
        let failed = |e| Refusal::from(e).at(id);
        let found = self
            .list_blobs(&tenant, &request.prefix, &request.after, request.limit)
            .await
            .map_err(failed)?;
        let mut uploads = match request.after.is_empty() {
            true => self.list_uploads(&tenant).await.map_err(failed)?,
            false => Vec::new(),
        };
        uploads.retain(|upload| upload.key.starts_with(&request.prefix));
        Ok(ListBlobsResponse {
            blobs: found.into_iter().map(|(key, found)| blob(key, found)).collect(),
            uploads: uploads.into_iter().map(upload).collect(),
        })
    }
}

fn upload(upload: blob_index::Upload) -> Upload {
    Upload {
        received: upload.pieces.bytes(),
        upload: upload.id,
        key: upload.key,
        bytes: upload.bytes,
        touched_at: upload.touched_at,
    }
}

fn blob(key: String, blob: blob_index::Blob) -> Blob {
    Blob {
        key,
        bytes: blob.pieces.bytes(),
        sha256: blob.sha256,
        modified_at: blob.modified_at,
        revision: blob.id,
    }
}

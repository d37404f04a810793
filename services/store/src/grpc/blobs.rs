//! `store.BlobStore`: read, write, delete. Its errors are called `store.Blob.…`, as Micro's are.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use micro_error::Error;
use micro_proto::store::{
    BlobDeleteRequest, BlobDeleteResponse, BlobOptions, BlobReadRequest, BlobReadResponse, BlobStore, BlobWriteRequest,
    BlobWriteResponse,
};
use micro_rpc::Streaming;
use micro_tenancy::{Caller, Reach, Tenant};

use super::enter;
use crate::{App, Refusal};

#[async_trait]
impl BlobStore for App {
    async fn read(&self, caller: &Caller, request: BlobReadRequest) -> Result<Streaming<BlobReadResponse>, Error> {
        let id = "store.Blob.Read";
        let tenant = enter_blob(caller, request.options.as_ref(), &request.key, id)?;
        let opened = self.read_blob(&tenant, &request.key, 0, "").await;
        let (_, chunks) = opened.map_err(|e| e.at(id))?;
        let message = |chunk: Bytes| BlobReadResponse { blob: chunk.into() };
        Ok(chunks.map(move |chunk| chunk.map(message)).boxed())
    }

    async fn write(
        &self,
        caller: &Caller,
        mut request: Streaming<BlobWriteRequest>,
    ) -> Result<BlobWriteResponse, Error> {
        let id = "store.Blob.Write";
        let Some(first) = request.next().await.transpose()? else {
            // Nobody learns from an empty call what an account is needed for.
            enter(caller, "", id)?;
            return Err(Refusal::NoBlob.at(id));
        };
        let tenant = enter_blob(caller, first.options.as_ref(), &first.key, id)?;
        let rest = request.map(|message| message.map(|m| Bytes::from(m.blob)));
        let body = stream::iter([Ok(Bytes::from(first.blob))]).chain(rest);
        self.write_blob(&tenant, &first.key, body.boxed())
            .await
            .map_err(|e| e.at(id))?;
        Ok(BlobWriteResponse {})
    }

    async fn delete(&self, caller: &Caller, request: BlobDeleteRequest) -> Result<BlobDeleteResponse, Error> {
        let id = "store.Blob.Delete";
        let tenant = enter_blob(caller, request.options.as_ref(), &request.key, id)?;
        self.delete_blob(&tenant, &request.key).await.map_err(|e| e.at(id))?;
        Ok(BlobDeleteResponse {})
    }
}

/// The namespace that the options name. Where they do not, a local administrator may name it by header, as Micro's
/// clients do; everybody else's is their own.
pub fn enter_blobs(caller: &Caller, options: Option<&BlobOptions>, id: &str) -> Result<Tenant, Error> {
    let everywhere = caller.principal().is_some_and(|p| p.reach == Reach::Local);
    let named = match options.map_or("", |options| &options.namespace) {
        "" if everywhere => caller.metadata().get("micro-namespace").map_or("", String::as_str),
        named => named,
    };
    enter(caller, named, id)
}

/// The same, for a call that needs a blob's key.
pub fn enter_blob(caller: &Caller, options: Option<&BlobOptions>, key: &str, id: &str) -> Result<Tenant, Error> {
    let tenant = enter_blobs(caller, options, id)?;
    if key.is_empty() {
        return Err(Refusal::BlobKey.at(id));
    }
    Ok(tenant)
}

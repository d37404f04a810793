//! `micro store blob delete`.

use micro_proto::store::{AbandonUploadRequest, BlobDeleteRequest, BlobOptions, BlobStore, Blobs, ListBlobsRequest};

use crate::{
    commands::store::refused,
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Delete a file, and what is on its way under the same key
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key
    key: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let options = Some(BlobOptions {
        namespace: session.namespace.clone(),
    });
    let failed = |e| refused(&session, &format!("couldn't delete {}", args.key), &e);
    let request = BlobDeleteRequest {
        key: args.key.clone(),
        options: options.clone(),
    };
    let caller = session.caller();
    session.blob_store().delete(&caller, request).await.map_err(failed)?;
    let request = ListBlobsRequest {
        options: options.clone(),
        prefix: args.key.clone(),
        limit: 1,
        after: String::new(),
    };
    let found = session.blobs().list(&caller, request).await.map_err(failed)?;
    for upload in found.uploads.into_iter().filter(|upload| upload.key == args.key) {
        let request = AbandonUploadRequest {
            upload: upload.upload,
            options: options.clone(),
        };
        session.blobs().abandon(&caller, request).await.map_err(failed)?;
    }
    Ok(Exit::Done)
}

//! `micro store blob list`.

use micro_proto::store::{Blob, BlobOptions, Blobs, ListBlobsRequest, Upload};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::progress::size;
use crate::{
    commands::store::refused,
    ctx::Ctx,
    exit::{Exit, Result},
    table::{self, Fill},
};

/// List files, and those that are on their way
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only keys that begin so
    #[arg(short, long, default_value = "", hide_default_value = true)]
    prefix: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let (mut blobs, mut uploads): (Vec<Blob>, Vec<Upload>) = Default::default();
    loop {
        let request = ListBlobsRequest {
            options: Some(BlobOptions {
                namespace: session.namespace.clone(),
            }),
            prefix: args.prefix.clone(),
            limit: 0,
            after: blobs.last().map(|blob| blob.key.clone()).unwrap_or_default(),
        };
        let page = session.blobs().list(&session.caller(), request).await;
        let page = page.map_err(|e| refused(&session, "couldn't list", &e))?;
        uploads.extend(page.uploads);
        if page.blobs.is_empty() {
            break;
        }
        blobs.extend(page.blobs);
    }
    if ctx.out.json() {
        let blob = |b: &Blob| json!({ "key": b.key, "bytes": b.bytes, "sha256": b.sha256, "revision": b.revision, "modified": stamp(b.modified_at) });
        let upload = |u: &Upload| json!({ "key": u.key, "received": u.received, "bytes": u.bytes });
        let (blobs, uploads): (Vec<_>, Vec<_>) =
            (blobs.iter().map(blob).collect(), uploads.iter().map(upload).collect());
        ctx.out.value(&json!({ "blobs": blobs, "uploads": uploads }))?;
    } else if !(blobs.is_empty() && uploads.is_empty()) {
        ctx.out.raw(&text(&blobs, &uploads));
    }
    Ok(Exit::Done)
}

fn text(blobs: &[Blob], uploads: &[Upload]) -> String {
    let header = ["KEY", "SIZE", "MODIFIED", "SHA256"].map(str::to_owned).to_vec();
    let blob = |b: &Blob| {
        let digest = b.sha256.get(..12).unwrap_or_default();
        vec![b.key.clone(), size(b.bytes), stamp(b.modified_at), digest.to_owned()]
    };
    let upload = |u: &Upload| {
        let of = format!("{} of {}", size(u.received), size(u.bytes));
        vec![u.key.clone(), of, stamp(u.touched_at), "on its way".to_owned()]
    };
    let rows = std::iter::once(header)
        .chain(blobs.iter().map(blob))
        .chain(uploads.iter().map(upload));
    table::render(&rows.collect::<Vec<_>>(), Fill::Spaces(3))
}

fn stamp(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

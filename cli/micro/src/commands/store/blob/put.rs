//! `micro store blob put`.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, stream};
use micro_error::{Error, Kind};
use micro_proto::store::{BeginUploadRequest, BlobOptions, Blobs, FinishUploadRequest, Upload, UploadPart};
use serde_json::json;

use super::{PAUSE, TRIES, digest_of, progress::Progress};
use crate::{
    commands::store::refused,
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
};

/// Store a file
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  micro store blob put photos/ada.png\n\nCut off, the same command goes on where it stopped."
)]
pub struct Args {
    /// The file
    file: PathBuf,

    /// Its key: by default the file's name
    key: Option<String>,
}

/// Bytes of one message, and of one call: each call's are acknowledged together.
const MESSAGE: usize = 256 << 10;
const CALL: u64 = 32 << 20;
/// How long the bytes of one call may take on a slow line.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let key = match args.key {
        Some(key) => key,
        None => name_of(&args.file)?,
    };
    let (sha256, bytes) = digest_of(&args.file)?;
    if bytes == 0 {
        return Err(Failure::plain(format!(
            "{} is empty: there is nothing to store",
            args.file.display()
        )));
    }
    let session = ctx.logged_in().await?.within(PATIENCE);
    let begin = BeginUploadRequest {
        key: key.clone(),
        options: options(&session),
        bytes,
        sha256: sha256.clone(),
    };
    let mut progress = Progress::new(&ctx.out, &key, bytes);
    let upload = send_all(&session, &args.file, begin, &mut progress).await?;
    let finish = FinishUploadRequest {
        upload: upload.upload,
        options: options(&session),
        sha256,
    };
    let blob = session.blobs().finish(&session.caller(), finish).await;
    let blob = blob.map_err(|e| refused(&session, &format!("couldn't store {key}"), &e))?;
    drop(progress);
    if ctx.out.json() {
        ctx.out
            .value(&json!({ "key": blob.key, "bytes": blob.bytes, "sha256": blob.sha256 }))?;
    }
    Ok(Exit::Done)
}

/// Sends what the server does not have yet, and begins again where a connection broke.
async fn send_all(
    session: &Session,
    file: &Path,
    begin: BeginUploadRequest,
    progress: &mut Progress<'_>,
) -> Result<Upload> {
    let failed = |e: &Error| refused(session, &format!("couldn't store {}", begin.key), e);
    let mut tries = 0;
    loop {
        let mut sent = session.blobs().begin(&session.caller(), begin.clone()).await;
        while let Ok(upload) = &sent
            && upload.received < begin.bytes
        {
            progress.at(upload.received);
            tries = 0;
            sent = send(session, file, upload).await?;
        }
        match sent {
            Ok(upload) => return Ok(upload),
            Err(e) if tries < TRIES && is_broken(&e) => {
                tries += 1;
                tokio::time::sleep(PAUSE * tries).await;
            }
            Err(e) => return Err(failed(&e)),
        }
    }
}

/// Sends the next bytes, in one call.
async fn send(session: &Session, file: &Path, upload: &Upload) -> Result<std::result::Result<Upload, Error>> {
    let failed = |e| Failure::because(format_args!("couldn't use {}", file.display()), e);
    let mut opened = File::open(file).map_err(failed)?;
    opened.seek(SeekFrom::Start(upload.received)).map_err(failed)?;
    let (options, offset, id) = (options(session), upload.received, upload.upload.clone());
    let parts = stream::unfold(Some(opened.take(CALL)), move |rest| {
        let (options, id) = (options.clone(), id.clone());
        async move {
            let mut rest = rest?;
            let mut data = Vec::with_capacity(MESSAGE);
            match Read::by_ref(&mut rest).take(MESSAGE as u64).read_to_end(&mut data) {
                Ok(0) => None,
                Ok(_) => {
                    let part = UploadPart {
                        upload: id,
                        options,
                        offset,
                        data,
                    };
                    Some((Ok(part), Some(rest)))
                }
                Err(e) => Some((Err(Error::new(Kind::Internal, "micro", e.to_string())), None)),
            }
        }
    });
    Ok(session.blobs().send(&session.caller(), parts.boxed()).await)
}

/// Whether another try may do better: the connection broke, or the server is away or busy.
fn is_broken(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Timeout)
}

fn options(session: &Session) -> Option<BlobOptions> {
    Some(BlobOptions {
        namespace: session.namespace.clone(),
    })
}

fn name_of(file: &Path) -> Result<String> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::plain(format!("{} has no name: give a key", file.display())))?;
    Ok(name.to_owned())
}

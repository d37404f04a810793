//! `micro store blob get`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use futures::TryStreamExt;
use micro_error::{Error, Kind};
use micro_proto::store::{Blob, BlobOptions, Blobs, FetchBlobRequest};
use micro_rpc::Streaming;

use super::{PAUSE, TRIES, digest_of, progress::Progress};
use crate::{
    commands::store::refused,
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    remote::Session,
};

/// Get a file
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro store blob get photos/ada.png\n  micro store blob get backup.tar - | tar t\n\nCut off, the same command goes on where it stopped."
)]
pub struct Args {
    /// The key
    key: String,

    /// Where to write it: by default the last part of the key; - is stdout
    file: Option<PathBuf>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let asked = Asked {
        session: &session,
        key: &args.key,
    };
    match args.file {
        Some(file) if file.as_os_str() == "-" => asked.to_stdout().await,
        Some(file) => asked.to_file(&file, ctx).await,
        None => {
            let name = args.key.rsplit('/').next().filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Failure::plain("this key is no file's name: say where to write it"))?;
            asked.to_file(Path::new(name), ctx).await
        }
    }
}

/// One blob of one namespace.
struct Asked<'a> {
    session: &'a Session,
    key: &'a str,
}

/// A blob's bytes from somewhere on.
type Rest = Streaming<micro_proto::store::BlobPart>;

impl Asked<'_> {
    async fn to_stdout(&self) -> Result {
        let (_, mut rest) = self.fetch(0, "").await.map_err(|e| self.failed(&e))?;
        let mut stdout = io::stdout().lock();
        while let Some(part) = rest.try_next().await.map_err(|e| self.failed(&e))? {
            stdout
                .write_all(&part.data)
                .map_err(|e| Failure::because("writing", e))?;
        }
        stdout.flush().map_err(|e| Failure::because("writing", e))?;
        Ok(Exit::Done)
    }

    /// Into a file beside the one that is wanted, which replaces that once it is whole.
    async fn to_file(&self, file: &Path, ctx: &Ctx) -> Result {
        let (blob, first) = self.fetch(0, "").await.map_err(|e| self.failed(&e))?;
        let part = part_of(file, &blob);
        let mut progress = Progress::new(&ctx.out, self.key, blob.bytes);
        let (mut first, mut tries) = (Some(first), 0);
        loop {
            let there = fs::metadata(&part).map_or(0, |found| found.len()).min(blob.bytes);
            let got = match first.take().filter(|_| there == 0) {
                Some(rest) => Ok(rest),
                None => self.fetch(there, &blob.revision).await.map(|(_, rest)| rest),
            };
            let ended = match got {
                Ok(rest) => self.append(rest, &part, there, &mut progress).await?,
                Err(e) => Err(e),
            };
            match ended {
                Ok(()) => break,
                Err(e) if tries < TRIES && matches!(e.kind(), Kind::Unavailable | Kind::Timeout) => {
                    tries += 1;
                    tokio::time::sleep(PAUSE * tries).await;
                }
                Err(e) => return Err(self.failed(&e)),
            }
        }
        drop(progress);
        if digest_of(&part)?.0 != blob.sha256 {
            let _it_is_of_no_use = fs::remove_file(&part);
            return Err(Failure::plain("what arrived is not what was stored: get it again"));
        }
        fs::rename(&part, file).map_err(|e| Failure::because(format_args!("couldn't use {}", file.display()), e))?;
        Ok(Exit::Done)
    }

    /// Writes the rest behind what is there; whether all of it came.
    async fn append(
        &self,
        mut rest: Rest,
        part: &Path,
        there: u64,
        progress: &mut Progress<'_>,
    ) -> Result<std::result::Result<(), Error>> {
        let failed = |e| Failure::because(format_args!("couldn't use {}", part.display()), e);
        let mut file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(part)
            .map_err(failed)?;
        let mut done = there;
        loop {
            match rest.try_next().await {
                Ok(Some(more)) => {
                    file.write_all(&more.data).map_err(failed)?;
                    done += more.data.len() as u64;
                    progress.at(done);
                }
                Ok(None) => return Ok(Ok(())),
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    /// What it is, and its bytes from `offset` on.
    async fn fetch(&self, offset: u64, revision: &str) -> std::result::Result<(Blob, Rest), Error> {
        let request = FetchBlobRequest {
            key: self.key.to_owned(),
            options: Some(BlobOptions {
                namespace: self.session.namespace.clone(),
            }),
            offset,
            revision: revision.to_owned(),
        };
        let mut parts = self.session.blobs().fetch(&self.session.caller(), request).await?;
        let first = parts.try_next().await?.and_then(|first| first.blob);
        let missing = || Error::new(Kind::Internal, "micro", "the answer does not say what it is");
        Ok((first.ok_or_else(missing)?, parts))
    }

    fn failed(&self, error: &Error) -> Failure {
        match error.kind() {
            Kind::NotFound => Failure::plain("Not found"),
            _ => refused(self.session, &format!("couldn't get {}", self.key), error),
        }
    }
}

/// Where a download lies until it is whole: another revision has another place.
fn part_of(file: &Path, blob: &Blob) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.part", blob.revision));
    name.into()
}

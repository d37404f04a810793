//! `micro store blob`: files in the store, of any size. What breaks off goes on where it stopped.

mod delete;
mod get;
mod list;
mod progress;
mod put;

use std::{ffi::OsString, fs::File, io::Read, path::Path};

use clap::Subcommand;
use sha2::{Digest, Sha256};

use crate::{
    ctx::Ctx,
    exit::{Failure, Result},
};

/// Files in the store
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro store blob put backup.tar\n  micro store blob get backup.tar copy.tar\n  micro store blob list"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Put(put::Args),
    Get(get::Args),
    List(list::Args),
    Delete(delete::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => crate::commands::help("store blob"),
        Some(Verb::Put(args)) => put::run(args, ctx).await,
        Some(Verb::Get(args)) => get::run(args, ctx).await,
        Some(Verb::List(args)) => list::run(args, ctx).await,
        Some(Verb::Delete(args)) => delete::run(args, ctx).await,
        Some(Verb::Unknown(words)) => Err(crate::commands::unknown_subcommand("store blob", &words)),
    }
}

/// How often what broke off is taken up again, and how long that waits.
const TRIES: u32 = 5;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// The SHA-256 of a file, in hexadecimal digits, and its size.
fn digest_of(path: &Path) -> Result<(String, u64)> {
    let failed = |e| Failure::because(format_args!("couldn't use {}", path.display()), e);
    let mut file = File::open(path).map_err(failed)?;
    let (mut digest, mut size) = (Sha256::new(), 0);
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
        size += read as u64;
    }
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((digest, size))
}

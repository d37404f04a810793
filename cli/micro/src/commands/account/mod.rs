//! `micro account`: what the namespace has, and how much of it is used.

mod usage;

use std::ffi::OsString;

use clap::Subcommand;

use super::{help, unknown_subcommand};
use crate::{ctx::Ctx, exit::Result};

/// See what your namespace may use, and what it uses
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro account usage")]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Usage(usage::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => help("account"),
        Some(Verb::Usage(args)) => usage::run(args, ctx).await,
        Some(Verb::Unknown(words)) => Err(unknown_subcommand("account", &words)),
    }
}

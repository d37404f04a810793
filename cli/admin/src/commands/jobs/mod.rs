//! `micro-admin jobs`.

mod list;
mod retry;

use clap::Subcommand;

use crate::{ctx::Ctx, exit::Result};

/// See and steer the work that waits
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::Args),
    Retry(retry::Args),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        Verb::List(args) => list::run(args, ctx).await,
        Verb::Retry(args) => retry::run(args, ctx).await,
    }
}

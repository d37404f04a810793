//! `micro-admin secrets`.

mod rotate;

use clap::Subcommand;

use crate::{ctx::Ctx, exit::Result};

/// Care for the keys that seal what tenants keep secret
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Rotate(rotate::Args),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        Verb::Rotate(args) => rotate::run(args, ctx).await,
    }
}

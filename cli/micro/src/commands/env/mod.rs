//! `micro env`: which server is meant.

mod add;
mod del;
mod get;
mod list;
mod set;

use std::ffi::OsString;

use clap::Subcommand;

use crate::{ctx::Ctx, exit::Result};

/// Get/set micro cli environment
///
/// Without a subcommand it lists the environments; `*` marks the current one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro env add home 127.0.0.1:8081\n  micro env set home")]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::Args),
    Get(get::Args),
    Set(set::Args),
    Add(add::Args),
    Del(del::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb.unwrap_or(Verb::List(list::Args {})) {
        Verb::List(_) => list::run(ctx),
        Verb::Get(_) => get::run(ctx),
        Verb::Set(args) => set::run(args, ctx),
        Verb::Add(args) => add::run(args, ctx),
        Verb::Del(args) => del::run(args, ctx),
        Verb::Unknown(words) => Err(super::unknown_subcommand("env", &words)),
    }
}

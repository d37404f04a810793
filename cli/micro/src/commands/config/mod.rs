//! `micro config`: the configuration of a namespace.

mod del;
mod get;
mod set;
mod watch;

use std::ffi::OsString;

use clap::Subcommand;
use micro_proto::config::Options;

use crate::{
    ctx::Ctx,
    exit::{Failure, Result},
};

/// Manage configuration values
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro config set greeter.words '{\"hello\":\"Hi\"}'\n  micro config get greeter.words.hello\n  micro config set --secret greeter.key\n  micro config del greeter"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Get(get::Args),
    Set(set::Args),
    #[command(alias = "delete")]
    Del(del::Args),
    Watch(watch::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => super::help("config"),
        Some(Verb::Get(args)) => get::run(args, ctx).await,
        Some(Verb::Set(args)) => set::run(args, ctx).await,
        Some(Verb::Del(args)) => del::run(args, ctx).await,
        Some(Verb::Watch(args)) => watch::run(args, ctx).await,
        Some(Verb::Unknown(words)) => Err(super::unknown_subcommand("config", &words)),
    }
}

/// The value that is looked at.
#[derive(Debug, clap::Args)]
struct Wanted {
    /// Where it lies: names with dots between them, and numbers for the places in an array
    key: Option<String>,

    /// Show secrets
    #[arg(short, long)]
    secret: bool,
}

impl Wanted {
    /// Where it is, and how it is shown.
    fn read(self) -> Result<(String, Option<Options>)> {
        let options = Options { secret: self.secret };
        Ok((key(self.key)?, Some(options)))
    }
}

/// A key that was given.
fn key(given: Option<String>) -> Result<String> {
    given
        .filter(|key| !key.is_empty())
        .ok_or_else(|| Failure::plain("Key cannot be blank"))
}

//! `micro store`: the records of a namespace.

mod blob;
mod databases;
mod delete;
mod list;
mod read;
mod snapshot;
mod snapshot_file;
mod sync;
mod tables;
mod write;

use std::ffi::OsString;

use clap::{Subcommand, ValueEnum};
use micro_error::Error;

use crate::{
    ctx::Ctx,
    exit::{Failure, Result},
    remote::Session,
};

/// Commands for accessing the store
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro store write visits 7\n  micro store read visits\n  micro store list --table greeter --prefix users/"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Read(read::Args),
    Write(write::Args),
    List(list::Args),
    Delete(delete::Args),
    Databases(databases::Args),
    Tables(tables::Args),
    Blob(blob::Args),
    Snapshot(snapshot::Save),
    Restore(snapshot::Load),
    Sync(sync::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => super::help("store"),
        Some(Verb::Read(args)) => read::run(args, ctx).await,
        Some(Verb::Write(args)) => write::run(args, ctx).await,
        Some(Verb::List(args)) => list::run(args, ctx).await,
        Some(Verb::Delete(args)) => delete::run(args, ctx).await,
        Some(Verb::Databases(args)) => databases::run(args, ctx).await,
        Some(Verb::Tables(args)) => tables::run(args, ctx).await,
        Some(Verb::Blob(args)) => blob::run(args, ctx).await,
        Some(Verb::Snapshot(args)) => snapshot::save(args, ctx).await,
        Some(Verb::Restore(args)) => snapshot::load(args, ctx).await,
        Some(Verb::Sync(args)) => sync::run(args, ctx).await,
        Some(Verb::Unknown(words)) => Err(super::unknown_subcommand("store", &words)),
    }
}

/// Which records are meant.
#[derive(Debug, clap::Args)]
struct Place {
    /// The table: for the records of a service, its name
    #[arg(short, long, default_value = "micro")]
    table: String,

    /// The database: a namespace, by default the current one
    #[arg(short, long, value_name = "NAMESPACE")]
    database: Option<String>,
}

impl Place {
    fn database(&self, session: &Session) -> String {
        self.database.clone().unwrap_or_else(|| session.namespace.clone())
    }
}

/// How many of the records found, and in which order.
#[derive(Debug, clap::Args)]
struct Part {
    /// At most so many
    #[arg(short, long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    limit: u64,

    /// Pass over so many first
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    offset: u64,

    /// Sorted by key
    #[arg(long, value_enum, default_value = "asc")]
    order: Order,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    Asc,
    Desc,
}

impl Order {
    /// As it travels: nothing where it is the usual one.
    fn word(self) -> String {
        match self {
            Self::Asc => String::new(),
            Self::Desc => "desc".into(),
        }
    }
}

/// A refusal as Micro prints those of the store: what was tried, and the error as it came.
fn refused(session: &Session, what: &str, error: &Error) -> Failure {
    if error.message() == "An account is required" {
        return session.explain(error);
    }
    Failure::plain(format!("{what}: {}", error.to_json()))
}

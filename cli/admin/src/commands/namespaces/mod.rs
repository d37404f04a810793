//! `micro-admin namespaces`.

mod list;
mod show;

use clap::Subcommand;
use micro_proto::operators::NamespaceRow;
use serde_json::{Value, json};

use crate::{ctx::Ctx, exit::Result};

/// See namespaces
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::Args),
    Show(show::Args),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        Verb::List(args) => list::run(args, ctx).await,
        Verb::Show(args) => show::run(args, ctx).await,
    }
}

/// A namespace as JSON.
pub fn object(n: &NamespaceRow) -> Value {
    json!({"id": n.id, "name": n.name, "state": n.state, "created_at": n.created_at})
}

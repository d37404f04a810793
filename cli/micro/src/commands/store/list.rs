//! `micro store list`.

use futures::TryStreamExt;
use micro_proto::store::{ListOptions, ListRequest, Store};

use super::{Part, Place, refused};
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List the keys of records
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro store list --table greeter --prefix users/ --limit 10")]
pub struct Args {
    #[command(flatten)]
    place: Place,

    /// Only keys that begin so
    #[arg(short, long, default_value = "", hide_default_value = true)]
    prefix: String,

    /// Only keys that end so
    #[arg(long, default_value = "", hide_default_value = true)]
    suffix: String,

    #[command(flatten)]
    part: Part,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let options = ListOptions {
        database: args.place.database(&session),
        table: args.place.table,
        prefix: args.prefix,
        suffix: args.suffix,
        limit: args.part.limit,
        offset: args.part.offset,
        order: args.part.order.word(),
    };
    let request = ListRequest { options: Some(options) };
    let failed = |e| refused(&session, "couldn't list", &e);
    let mut messages = session.store().list(&session.caller(), request).await.map_err(failed)?;
    let mut keys = Vec::new();
    while let Some(message) = messages.try_next().await.map_err(failed)? {
        match ctx.out.json() {
            true => keys.extend(message.keys),
            false => message.keys.iter().for_each(|key| ctx.out.line(key)),
        }
    }
    if ctx.out.json() {
        ctx.out.value(&keys)?;
    }
    Ok(Exit::Done)
}

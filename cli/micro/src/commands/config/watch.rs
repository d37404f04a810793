//! `micro config watch`.

use futures::TryStreamExt;
use micro_proto::config::{Options, WatchRequest, Watcher};

use super::key;
use crate::{
    commands::config::get::print,
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Print a value, and again whenever it changes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro config watch greeter.words")]
pub struct Args {
    /// Where it lies: names with dots between them, and numbers for the places in an array
    key: Option<String>,

    /// Show secrets
    #[arg(short, long)]
    secret: bool,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let path = key(args.key)?;
    let session = ctx.logged_in().await?;
    let request = WatchRequest {
        namespace: session.namespace.clone(),
        path,
        options: Some(Options { secret: args.secret }),
    };
    let failed = |e| session.explain(&e);
    let mut values = session
        .watcher()
        .watch(&session.caller(), request)
        .await
        .map_err(failed)?;
    while let Some(answer) = values.try_next().await.map_err(failed)? {
        print(&ctx.out, &answer.value.unwrap_or_default().data);
    }
    Ok(Exit::Done)
}

//! `micro config watch`.

use futures::TryStreamExt;
use micro_proto::config::{WatchRequest, Watcher};

use super::Wanted;
use crate::{
    commands::config::get::print,
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Print a value, and again whenever it changes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro config watch greeter.words")]
pub struct Args {
    #[command(flatten)]
    wanted: Wanted,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let (path, options) = args.wanted.read()?;
    let session = ctx.logged_in().await?;
    let request = WatchRequest {
        namespace: session.namespace.clone(),
        path,
        options,
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

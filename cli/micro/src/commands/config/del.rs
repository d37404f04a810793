//! `micro config del`.

use micro_proto::config::{Config, DeleteRequest};

use super::key;
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Remove a value, and all below it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro config del greeter.words")]
pub struct Args {
    /// Where it lies: names with dots between them
    key: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let path = key(args.key)?;
    let session = ctx.logged_in().await?;
    let request = DeleteRequest {
        namespace: session.namespace.clone(),
        path,
    };
    session
        .config()
        .delete(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    Ok(Exit::Done)
}

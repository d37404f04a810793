//! `micro network graph`.

use micro_proto::network::{GraphRequest, Network};

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    json,
};

/// Get the network graph
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let graph = session
        .network()
        .graph(&session.caller(), GraphRequest { depth: 0 })
        .await
        .map_err(|e| session.explain(&e))?;
    let unreadable = |e| Failure::because("reading the graph", e);
    let text = serde_json::to_string(&graph.root).map_err(unreadable)?;
    ctx.out.line(json::indent(&text).map_err(unreadable)?);
    Ok(Exit::Done)
}

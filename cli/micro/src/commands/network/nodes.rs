//! `micro network nodes`.

use micro_proto::network::{Network, NodesRequest};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List nodes in the network
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let answer = session
        .network()
        .nodes(&session.caller(), NodesRequest { depth: 0 })
        .await
        .map_err(|e| session.explain(&e))?;
    let mut nodes = answer.nodes;
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    let rows: Vec<_> = nodes.iter().map(|n| vec![n.id.clone(), n.address.clone()]).collect();
    super::print(ctx, &["id", "address"], &rows, &nodes)?;
    Ok(Exit::Done)
}

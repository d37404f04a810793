//! `micro network connections`.

use micro_proto::network::{GraphRequest, Network, Node};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List the immediate connections to the network
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let graph = session
        .network()
        .graph(&session.caller(), GraphRequest { depth: 1 })
        .await
        .map_err(|e| session.explain(&e))?;
    let peers = graph.root.unwrap_or_default().peers;
    let nodes: Vec<Node> = peers.into_iter().filter_map(|peer| peer.node).collect();
    let rows: Vec<_> = nodes.iter().map(|n| vec![n.id.clone(), n.address.clone()]).collect();
    super::print(ctx, &["node", "address"], &rows, &nodes)?;
    Ok(Exit::Done)
}

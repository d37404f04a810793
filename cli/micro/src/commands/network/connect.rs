//! `micro network connect`.

use micro_proto::network::{ConnectRequest, Network, Node};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Connect to the network: servers of one network share a database instead, and this says so
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Addresses of nodes
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let node = |address| Node {
        address,
        ..Default::default()
    };
    let request = ConnectRequest {
        nodes: args.addresses.into_iter().map(node).collect(),
    };
    let connected = session.network().connect(&session.caller(), request).await;
    connected.map_err(|e| session.explain(&e))?;
    Ok(Exit::Done)
}

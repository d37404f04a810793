//! `micro network routes`.

use micro_proto::network::{Network, Query, Route, RoutesRequest};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List network routes
///
/// One row for each place where a service of the namespace answers now.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this service
    #[arg(long)]
    service: Option<String>,
    /// Only to this address
    #[arg(long)]
    address: Option<String>,
    /// Only over this gateway
    #[arg(long)]
    gateway: Option<String>,
    /// Only of this router
    #[arg(long)]
    router: Option<String>,
    /// The namespace, by default the current one; `micro` for the core's services
    #[arg(long, value_name = "NAMESPACE")]
    network: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let query = Query {
        service: args.service.unwrap_or_default(),
        address: args.address.unwrap_or_default(),
        gateway: args.gateway.unwrap_or_default(),
        router: args.router.unwrap_or_default(),
        network: args.network.unwrap_or_else(|| session.namespace.clone()),
    };
    let answer = session
        .network()
        .routes(&session.caller(), RoutesRequest { query: Some(query) })
        .await
        .map_err(|e| session.explain(&e))?;
    let mut routes = answer.routes;
    routes.sort_by_cached_key(row);
    let rows: Vec<_> = routes.iter().map(row).collect();
    let header = ["service", "address", "gateway", "router", "network", "metric", "link"];
    super::print(ctx, &header, &rows, &routes)?;
    Ok(Exit::Done)
}

fn row(route: &Route) -> Vec<String> {
    vec![
        route.service.clone(),
        route.address.clone(),
        route.gateway.clone(),
        route.router.clone(),
        route.network.clone(),
        route.metric.to_string(),
        route.link.clone(),
    ]
}

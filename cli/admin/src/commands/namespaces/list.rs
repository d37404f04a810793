//! `micro-admin namespaces list`.

use micro_proto::operators::{ListNamespacesRequest, Namespaces, NamespacesClient};

use super::object;
use crate::{
    commands::Page,
    ctx::{Ctx, when},
    exit::{Exit, Result},
};

/// List namespaces, oldest first
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    page: Page,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let door = ctx.enter().await?;
    let request = ListNamespacesRequest {
        limit: args.page.limit,
        cursor: args.page.cursor,
    };
    let page = NamespacesClient::new(door.client)
        .list(&door.caller, request)
        .await
        .map_err(|e| ctx.explain(&e))?;
    let objects = page.namespaces.iter().map(object).collect();
    let rows = page
        .namespaces
        .iter()
        .map(|n| vec![n.name.clone(), n.id.clone(), n.state.clone(), when(n.created_at)]);
    ctx.table(&["NAME", "ID", "STATE", "CREATED"], rows.collect(), &objects)?;
    ctx.more(&page.next_cursor);
    Ok(Exit::Done)
}

//! `micro-admin customers list`.

use micro_proto::operators::{Customers, CustomersClient, ListCustomersRequest};

use super::{HEADER, object, row};
use crate::{
    commands::Page,
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List customers, oldest first
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    page: Page,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let door = ctx.enter().await?;
    let request = ListCustomersRequest {
        limit: args.page.limit,
        cursor: args.page.cursor,
    };
    let page = CustomersClient::new(door.client)
        .list(&door.caller, request)
        .await
        .map_err(|e| ctx.explain(&e))?;
    let objects = page.customers.iter().map(object).collect();
    ctx.table(&HEADER, page.customers.iter().map(row).collect(), &objects)?;
    ctx.more(&page.next_cursor);
    Ok(Exit::Done)
}

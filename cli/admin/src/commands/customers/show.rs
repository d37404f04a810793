//! `micro-admin customers show`.

use micro_proto::operators::{Customers, CustomersClient, ShowCustomerRequest};

use super::object;
use crate::{
    ctx::{Ctx, or_dash, when},
    exit::{Exit, Result},
};

/// Show one customer
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro-admin customers show ada@example.com")]
pub struct Args {
    /// E-mail address
    email: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let door = ctx.enter().await?;
    let request = ShowCustomerRequest { email: args.email };
    let answer = CustomersClient::new(door.client)
        .show(&door.caller, request)
        .await
        .map_err(|e| ctx.explain(&e))?;
    let customer = answer.customer.unwrap_or_default();
    if ctx.out.json() {
        ctx.out.value(&object(&customer))?;
        return Ok(Exit::Done);
    }
    ctx.out.line(format!("email         {}", customer.email));
    ctx.out.line(format!(
        "namespace     {} ({})",
        customer.namespace, customer.namespace_id
    ));
    ctx.out.line(format!("account       {}", customer.account));
    ctx.out.line(
        format!(
            "subscription  {} {}",
            or_dash(&customer.subscription_status),
            customer.subscription
        )
        .trim_end(),
    );
    ctx.out.line(format!("created       {}", when(customer.created_at)));
    Ok(Exit::Done)
}

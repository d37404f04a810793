//! `micro-admin namespaces show`.

use micro_proto::operators::{Namespaces, NamespacesClient, ShowNamespaceRequest};
use serde_json::{Value, json};

use super::object;
use crate::{
    commands::customers,
    ctx::{Ctx, when},
    exit::{Exit, Result},
};

/// Show one namespace and its customers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro-admin namespaces show amber-otter-drift")]
pub struct Args {
    /// Its name or its id
    namespace: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let door = ctx.enter().await?;
    let request = ShowNamespaceRequest {
        namespace: args.namespace,
    };
    let answer = NamespacesClient::new(door.client)
        .show(&door.caller, request)
        .await
        .map_err(|e| ctx.explain(&e))?;
    let namespace = answer.namespace.unwrap_or_default();
    let people: Value = answer.customers.iter().map(customers::object).collect();
    if ctx.out.json() {
        ctx.out
            .value(&json!({"namespace": object(&namespace), "customers": people}))?;
        return Ok(Exit::Done);
    }
    ctx.out.line(format!("name     {}", namespace.name));
    ctx.out.line(format!("id       {}", namespace.id));
    ctx.out.line(format!("state    {}", namespace.state));
    ctx.out.line(format!("created  {}\n", when(namespace.created_at)));
    ctx.table(
        &customers::HEADER,
        answer.customers.iter().map(customers::row).collect(),
        &people,
    )?;
    Ok(Exit::Done)
}

//! `micro services`: what is registered in the namespace.

use micro_proto::registry::{ListRequest, Options, Registry};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List services in the registry
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let session = ctx.session().await?;
    let options = Some(Options {
        ttl: 0,
        domain: session.namespace.clone(),
    });
    let request = ListRequest { options };
    let answer = session
        .registry()
        .list_services(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    let mut names: Vec<String> = answer.services.into_iter().map(|s| s.name).collect();
    names.sort();
    names.dedup();
    if ctx.out.json() {
        ctx.out.value(&names)?;
    } else {
        names.iter().for_each(|name| ctx.out.line(name));
    }
    Ok(Exit::Done)
}

//! `micro network services`.

use micro_proto::network::{Network, ServicesRequest};

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List network services
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let answer = session.network().services(&session.caller(), ServicesRequest {}).await;
    let mut services = answer.map_err(|e| session.explain(&e))?.services;
    services.sort();
    if ctx.out.json() {
        ctx.out.value(&services)?;
    } else {
        services.iter().for_each(|name| ctx.out.line(name));
    }
    Ok(Exit::Done)
}

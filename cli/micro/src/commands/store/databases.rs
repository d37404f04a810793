//! `micro store databases`.

use micro_proto::store::{DatabasesRequest, Store};

use super::refused;
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// List the databases that hold records
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let answer = session.store().databases(&session.caller(), DatabasesRequest {}).await;
    let databases = answer
        .map_err(|e| refused(&session, "couldn't list databases", &e))?
        .databases;
    if ctx.out.json() {
        ctx.out.value(&databases)?;
    } else {
        databases.iter().for_each(|name| ctx.out.line(name));
    }
    Ok(Exit::Done)
}

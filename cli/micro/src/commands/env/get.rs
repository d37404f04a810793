//! `micro env get`.

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Print the current environment's name
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result {
    let env = ctx.env()?;
    if ctx.out.json() {
        ctx.out
            .value(&serde_json::json!({"name": env.name, "address": env.address}))?;
    } else {
        ctx.out.line(env.name);
    }
    Ok(Exit::Done)
}

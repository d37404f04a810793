//! `micro env del`.

use crate::{
    ctx::Ctx,
    envs,
    exit::{Exit, Result},
};

/// Remove an environment
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = "Example:\n  micro env del home")]
pub struct Args {
    /// Its name
    name: String,
}

/// Runs it.
pub fn run(args: Args, ctx: &Ctx) -> Result {
    ctx.home.config().change(|config| envs::remove(config, &args.name))?;
    Ok(Exit::Done)
}

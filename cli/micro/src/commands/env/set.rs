//! `micro env set`.

use crate::{
    ctx::Ctx,
    envs,
    exit::{Exit, Result},
};

/// Use an environment from now on
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = "Example:\n  micro env set platform")]
pub struct Args {
    /// Its name
    name: String,
}

/// Runs it.
pub fn run(args: Args, ctx: &Ctx) -> Result {
    ctx.home.config().change(|config| {
        let env = envs::get(config, &args.name)?;
        config.set("env", &env.name)
    })?;
    Ok(Exit::Done)
}

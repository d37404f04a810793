//! `micro env add`.

use crate::{
    ctx::Ctx,
    envs,
    exit::{Exit, Result},
};

/// Add an environment
///
/// An address without a port, or with port 443, is called over TLS; any other port in plain text.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Example:\n  micro env add home 127.0.0.1:8081"
)]
pub struct Args {
    /// What to call it
    name: String,
    /// HOST or HOST:PORT of its server
    #[arg(default_value = "", hide_default_value = true)]
    address: String,
}

/// Runs it.
pub fn run(args: Args, ctx: &Ctx) -> Result {
    ctx.home
        .config()
        .change(|config| envs::add(config, &args.name, &args.address))?;
    Ok(Exit::Done)
}

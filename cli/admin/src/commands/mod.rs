//! The commands, by noun.

pub mod customers;
pub mod jobs;
pub mod login;
pub mod namespaces;
pub mod secrets;

use std::ffi::OsString;

use clap::{Parser, error::ErrorKind};

use crate::{
    args::{Cli, Command},
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    out::{Out, Output},
};

/// Reads the command line, does what it says, prints what went wrong, and answers with the exit code.
pub fn main(line: impl Iterator<Item = OsString>) -> Exit {
    let talk = Out::new(Output::Text);
    let cli = match Cli::try_parse_from(line) {
        Ok(cli) => cli,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            talk.raw(&e.to_string());
            return Exit::Done;
        }
        Err(e) => {
            talk.talk(e.to_string().trim_end());
            return Exit::Failed;
        }
    };
    run(cli).unwrap_or_else(|failure| {
        if !failure.message.is_empty() {
            talk.talk(failure.message);
        }
        failure.exit
    })
}

fn run(cli: Cli) -> Result {
    let ctx = Ctx {
        out: Out::new(cli.output),
        address: cli.address,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::because("starting", e))?;
    runtime.block_on(async {
        match cli.command {
            Command::Login(args) => login::run(args, &ctx).await,
            Command::Customers(args) => customers::run(args, &ctx).await,
            Command::Namespaces(args) => namespaces::run(args, &ctx).await,
            Command::Jobs(args) => jobs::run(args, &ctx).await,
            Command::Secrets(args) => secrets::run(args, &ctx).await,
        }
    })
}

/// Which part of a listing.
#[derive(Debug, clap::Args)]
pub struct Page {
    /// Rows a page, 200 at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Where to go on: from the page before
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: String,
}

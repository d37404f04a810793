//! `micro user set password`.

use clap::Subcommand;
use micro_proto::auth::{Accounts, ChangeSecretRequest, Options};

use super::whoami;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    prompt,
};

/// Change something about you on the server
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Password(Password),
}

/// Set a new password
#[derive(Debug, clap::Args)]
struct Password {
    /// Whose; yours unless given
    #[arg(long)]
    email: Option<String>,
    /// The password so far; asked for if not given
    #[arg(long)]
    old_password: Option<String>,
    /// The new one; asked for if not given
    #[arg(long)]
    new_password: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let What::Password(args) = args.what;
    let session = ctx.logged_in().await?;
    let id = match args.email {
        Some(email) => email,
        None => whoami(&session).await?.id,
    };
    let old_secret = match args.old_password {
        Some(password) => password,
        None => prompt::secret(&ctx.out, "Enter current password: ", "--old-password")?,
    };
    let new_secret = match args.new_password {
        Some(password) => password,
        None => prompt::new_secret(&ctx.out, "--new-password")?,
    };
    let options = Some(Options {
        namespace: session.namespace.clone(),
    });
    let request = ChangeSecretRequest {
        id,
        old_secret,
        new_secret,
        options,
    };
    session
        .accounts()
        .change_secret(&session.caller(), request)
        .await
        .map_err(|e| Failure::detail(&e))?;
    Ok(Exit::Done)
}

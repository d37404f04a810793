//! `micro user`: who is logged in, and what this CLI remembers of them.

mod config;
mod namespace;
mod set;
mod token;

use std::ffi::OsString;

use clap::Subcommand;
use micro_proto::auth::{Account, Auth, InspectRequest};
use secrecy::ExposeSecret;

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    login,
    remote::Session,
};

/// Print the current logged in user
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro user\n  curl -H \"Authorization: Bearer $(micro user token)\" …")]
pub struct Args {
    #[command(subcommand)]
    noun: Option<Noun>,
}

#[derive(Debug, Subcommand)]
enum Noun {
    Token(token::Args),
    Namespace(namespace::Args),
    Config(config::Args),
    Set(set::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.noun {
        None => show(ctx).await,
        Some(Noun::Token(_)) => token::run(ctx).await,
        Some(Noun::Namespace(args)) => namespace::run(args, ctx),
        Some(Noun::Config(args)) => config::run(args, ctx).await,
        Some(Noun::Set(args)) => set::run(args, ctx).await,
        Some(Noun::Unknown(words)) => Err(super::unknown_subcommand("user", &words)),
    }
}

async fn show(ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let account = whoami(&session).await?;
    if ctx.out.json() {
        ctx.out.value(&serde_json::json!({
            "id": account.id, "name": account.name, "namespace": account.issuer, "type": account.r#type, "scopes": account.scopes,
        }))?;
    } else {
        ctx.out.line(name_of(&account));
    }
    Ok(Exit::Done)
}

/// Whose token it is, as the server sees it.
async fn whoami(session: &Session) -> Result<Account> {
    let token = session.token().ok_or_else(|| login::required(&session.env))?;
    let request = InspectRequest {
        token: token.expose_secret().to_owned(),
        options: None,
    };
    let answer = session.auth().inspect(&session.caller(), request).await;
    answer
        .map_err(|e| Failure::detail(&e))?
        .account
        .ok_or_else(|| login::required(&session.env))
}

fn name_of(account: &Account) -> &str {
    if account.name.is_empty() {
        &account.id
    } else {
        &account.name
    }
}

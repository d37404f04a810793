//! `micro auth`: who there is in a namespace, and who may call what (reference/micro-wire §4.10).

mod accounts;
mod rules;

use std::ffi::OsString;

use clap::Subcommand;
use micro_error::Error;
use micro_proto::auth::Options;

use super::{help, login, logout, unknown_subcommand};
use crate::{
    ctx::Ctx,
    exit::{Failure, Result},
    remote::Session,
    table::{self, Fill},
};

/// Manage authentication, accounts and rules
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro auth list accounts\n  micro auth create account --scopes admin jane\n  micro auth create rule --scope '*' --resource service:greeter:* colleagues\n  micro auth list rules\n  micro auth delete rule default"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List accounts or rules
    List(List),
    /// Create an account or a rule
    Create(Create),
    /// Delete an account or a rule
    Delete(Delete),
    Login(login::Args),
    Logout(logout::Args),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(subcommand)]
    what: Option<Lists>,
}

#[derive(Debug, Subcommand)]
enum Lists {
    Accounts(accounts::List),
    Rules(rules::List),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, clap::Args)]
struct Create {
    #[command(subcommand)]
    what: Option<Creates>,
}

#[derive(Debug, Subcommand)]
enum Creates {
    Account(accounts::Create),
    Rule(rules::Create),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, clap::Args)]
struct Delete {
    #[command(subcommand)]
    what: Option<Deletes>,
}

#[derive(Debug, Subcommand)]
enum Deletes {
    Account(accounts::Delete),
    Rule(rules::Delete),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => help("auth"),
        Some(Verb::List(List { what })) => match what {
            None => help("auth list"),
            Some(Lists::Accounts(args)) => accounts::list(args, ctx).await,
            Some(Lists::Rules(args)) => rules::list(args, ctx).await,
            Some(Lists::Unknown(words)) => Err(unknown_subcommand("auth list", &words)),
        },
        Some(Verb::Create(Create { what })) => match what {
            None => help("auth create"),
            Some(Creates::Account(args)) => accounts::create(args, ctx).await,
            Some(Creates::Rule(args)) => rules::create(args, ctx).await,
            Some(Creates::Unknown(words)) => Err(unknown_subcommand("auth create", &words)),
        },
        Some(Verb::Delete(Delete { what })) => match what {
            None => help("auth delete"),
            Some(Deletes::Account(args)) => accounts::delete(args, ctx).await,
            Some(Deletes::Rule(args)) => rules::delete(args, ctx).await,
            Some(Deletes::Unknown(words)) => Err(unknown_subcommand("auth delete", &words)),
        },
        Some(Verb::Login(args)) if args.wants_help() => help("login"),
        Some(Verb::Login(args)) => login::run(args, ctx).await,
        Some(Verb::Logout(args)) => logout::run(args, ctx).await,
        Some(Verb::Unknown(words)) => Err(unknown_subcommand("auth", &words)),
    }
}

/// Whose accounts and rules are meant.
#[derive(Debug, clap::Args)]
struct Place {
    /// The namespace, by default the current one
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

impl Place {
    fn options(self, session: &Session) -> Option<Options> {
        let namespace = self.namespace.unwrap_or_else(|| session.namespace.clone());
        Some(Options { namespace })
    }
}

/// Rows as Micro shows accounts and rules: behind each column stands an empty one.
fn table<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> String {
    let spaced = |cells: [String; N]| {
        let mut row: Vec<String> = cells.into_iter().flat_map(|cell| [cell, String::new()]).collect();
        row.pop();
        row
    };
    table::render(&rows.map(spaced).collect::<Vec<_>>(), Fill::Tabs)
}

/// A refusal as Micro prints those of listing, and of accounts: what was tried, and the error as it came.
fn refused(session: &Session, what: &str, error: &Error) -> Failure {
    described(session, what, error, error.to_json())
}

fn described(session: &Session, what: &str, error: &Error, words: impl std::fmt::Display) -> Failure {
    if error.message() == "An account is required" {
        return session.explain(error);
    }
    Failure::plain(format!("{what}: {words}"))
}

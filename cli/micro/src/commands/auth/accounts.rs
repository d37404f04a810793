//! `micro auth list accounts`, `create account`, `delete account`.

use std::collections::BTreeMap;

use micro_proto::auth::{Account, Accounts, Auth, DeleteAccountRequest, GenerateRequest, ListAccountsRequest};
use serde::Serialize;

use super::{Place, refused, table};
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
};

/// List the accounts of a namespace
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    place: Place,
}

/// Create an account; its secret is shown this once
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro auth create account jane\n  micro auth create account --scopes admin,accounting jane\n  micro auth create account --type service --scopes service --metadata for=deploys robot"
)]
pub struct Create {
    /// What it logs in with
    id: Option<String>,

    /// Its password; one is made up if not given
    #[arg(long, default_value = "", hide_default_value = true)]
    secret: String,

    /// What it may do, with commas between: an admin manages the namespace, rules say what others may
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,

    /// What it is: user, or service for code
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    kind: String,

    /// What people call it; its id unless given
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,

    /// What is kept with it, with commas between
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = entry)]
    metadata: Vec<(String, String)>,

    #[command(flatten)]
    place: Place,
}

/// Delete an account, and end all its sessions
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// The account's id
    id: Option<String>,

    #[command(flatten)]
    place: Place,
}

/// Lists them.
pub async fn list(args: List, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let request = ListAccountsRequest {
        options: args.place.options(&session),
    };
    let answer = session.accounts().list(&session.caller(), request).await;
    let accounts = answer
        .map_err(|e| refused(&session, "Error listing accounts", &e))?
        .accounts;
    if ctx.out.json() {
        ctx.out.value(&accounts.iter().map(Listed::from).collect::<Vec<_>>())?;
    } else {
        ctx.out.raw(&text(&accounts));
    }
    Ok(Exit::Done)
}

/// Creates one.
pub async fn create(args: Create, ctx: &Ctx) -> Result {
    let id = given(args.id)?;
    let session = ctx.logged_in().await?;
    let request = GenerateRequest {
        id,
        secret: args.secret,
        scopes: args.scopes,
        r#type: args.kind,
        name: args.name,
        metadata: args.metadata.into_iter().collect(),
        options: args.place.options(&session),
        provider: String::new(),
    };
    let answer = session.auth().generate(&session.caller(), request).await;
    let made = answer
        .map_err(|e| refused(&session, "Error creating account", &e))?
        .account;
    let made = made.ok_or_else(|| Failure::plain("the server sent no account"))?;
    let made = Created::from(&made);
    if ctx.out.json() {
        ctx.out.value(&made)?;
    } else {
        let json = serde_json::to_string(&made).map_err(|e| Failure::because("writing JSON", e))?;
        ctx.out.line(format_args!("Account created: {json}"));
    }
    Ok(Exit::Done)
}

/// Deletes one.
pub async fn delete(args: Delete, ctx: &Ctx) -> Result {
    let id = given(args.id)?;
    let session = ctx.logged_in().await?;
    let request = DeleteAccountRequest {
        id,
        options: args.place.options(&session),
    };
    session
        .accounts()
        .delete(&session.caller(), request)
        .await
        .map_err(|e| refused(&session, "Error deleting account", &e))?;
    Ok(Exit::Done)
}

fn entry(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

fn given(id: Option<String>) -> Result<String> {
    id.filter(|id| !id.is_empty())
        .ok_or_else(|| Failure::plain("Missing argument: ID"))
}

fn text(accounts: &[Account]) -> String {
    let row = |account: &Account| {
        let metadata: String = account
            .metadata
            .iter()
            .map(|(key, value)| format!("{key}={value} "))
            .collect();
        [
            account.id.clone(),
            account.name.clone(),
            or_none(account.scopes.join(", ")),
            or_none(metadata),
        ]
    };
    let header = ["ID", "Name", "Scopes", "Metadata"].map(str::to_owned);
    table(std::iter::once(header).chain(accounts.iter().map(row)))
}

fn or_none(text: String) -> String {
    if text.is_empty() { "n/a".into() } else { text }
}

/// An account for programs.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    name: &'a str,
    r#type: &'a str,
    scopes: &'a [String],
    metadata: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a Account> for Listed<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: &account.id,
            name: &account.name,
            r#type: &account.r#type,
            scopes: &account.scopes,
            metadata: &account.metadata,
        }
    }
}

/// A new account, in the order that Micro prints it; what is empty is null.
#[derive(Serialize)]
struct Created<'a> {
    id: &'a str,
    r#type: &'a str,
    issuer: &'a str,
    metadata: Option<&'a BTreeMap<String, String>>,
    scopes: Option<&'a [String]>,
    secret: &'a str,
    name: &'a str,
}

impl<'a> From<&'a Account> for Created<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: &account.id,
            r#type: &account.r#type,
            issuer: &account.issuer,
            metadata: Some(&account.metadata).filter(|m| !m.is_empty()),
            scopes: Some(account.scopes.as_slice()).filter(|s| !s.is_empty()),
            secret: &account.secret,
            name: &account.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_micros_to_the_byte() {
        let account = |id: &str, scopes: &[&str], metadata: &[(&str, &str)]| Account {
            id: id.into(),
            name: id.into(),
            scopes: scopes.iter().map(|s| (*s).into()).collect(),
            metadata: metadata.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..Default::default()
        };
        assert_eq!(
            text(&[account("admin", &["admin"], &[])]),
            "ID\t\tName\t\tScopes\t\tMetadata\nadmin\t\tadmin\t\tadmin\t\tn/a\n"
        );
        assert_eq!(
            text(&[account("jane-the-second", &[], &[("desk", "4"), ("floor", "2")])]),
            "ID\t\t\tName\t\t\tScopes\t\tMetadata\n\
             jane-the-second\t\tjane-the-second\t\tn/a\t\tdesk=4 floor=2 \n"
        );
    }
}

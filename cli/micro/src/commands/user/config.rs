//! `micro user config`: the local `config.json`.

use std::ffi::OsString;

use clap::Subcommand;

use super::{name_of, whoami};
use crate::{
    ctx::{Ctx, current_namespace},
    exit::{Exit, Result},
};

/// Print or change what this CLI remembers of you
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro user config\n  micro user config set git.credentials.github TOKEN")]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the value of a key
    Get {
        /// Parts are separated by dots
        key: String,
    },
    /// Set a key
    Set {
        /// Parts are separated by dots
        key: String,
        /// Its value
        value: String,
    },
    /// Remove a key
    #[command(alias = "del")]
    Delete {
        /// Parts are separated by dots
        key: String,
    },
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => show(ctx).await?,
        Some(Verb::Get { key }) => {
            let value = ctx.config()?.get(&key).unwrap_or_default();
            match ctx.out.json() {
                true => ctx.out.value(&serde_json::json!({ key: value }))?,
                false => ctx.out.line(value),
            }
        }
        Some(Verb::Set { key, value }) => ctx.home.config().change(|config| config.set(&key, &value))?,
        Some(Verb::Delete { key }) => ctx.home.config().change(|config| {
            config.delete(&key);
            Ok(())
        })?,
        Some(Verb::Unknown(words)) => return Err(crate::commands::unknown_subcommand("user config", &words)),
    }
    Ok(Exit::Done)
}

async fn show(ctx: &Ctx) -> Result<()> {
    let env = ctx.env()?;
    let config = ctx.config()?;
    let user = match ctx.logged_in().await {
        Ok(session) => whoami(&session).await.ok().map(|account| name_of(&account).to_owned()),
        Err(_) => None,
    };
    let credentials = config.get("git.credentials").map(|_| "[hidden]".to_owned());
    let rows = [
        ("user", user),
        ("namespace", current_namespace(&config, &env)),
        ("environment", Some(env.name.clone())),
        ("git.credentials", credentials),
        ("git.baseurl", config.get("git.baseurl")),
    ];
    if ctx.out.json() {
        let object: serde_json::Map<_, _> = rows.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        return ctx.out.value(&object);
    }
    for (key, value) in rows {
        ctx.out.line(format!("{key}: {}", value.as_deref().unwrap_or("n/a")));
    }
    Ok(())
}

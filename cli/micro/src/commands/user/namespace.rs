//! `micro user namespace`.

use std::ffi::OsString;

use clap::Subcommand;
use micro_domain::NamespaceName;

use crate::{
    commands::unknown_subcommand,
    ctx::{Ctx, current_namespace},
    exit::{Exit, Failure, Result},
    login::use_namespace,
};

/// Print the current namespace, or set another one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro user namespace\n  micro user namespace set amber-otter-drift")]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Use a namespace from now on
    Set {
        /// Its name
        namespace: Option<String>,
    },
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs it.
pub fn run(args: Args, ctx: &Ctx) -> Result {
    let env = ctx.env()?;
    match args.verb {
        None => {
            let namespace = current_namespace(&ctx.config()?, &env).unwrap_or_default();
            match ctx.out.json() {
                true => ctx.out.value(&serde_json::json!({ "namespace": namespace }))?,
                false => ctx.out.line(namespace),
            }
        }
        Some(Verb::Set { namespace }) => {
            let namespace = namespace
                .filter(|n| !n.is_empty())
                .ok_or_else(|| Failure::plain("No namespace specified"))?;
            NamespaceName::parse(namespace.as_str()).map_err(|e| Failure::plain(e.to_string()))?;
            ctx.home
                .config()
                .change(|config| use_namespace(config, &env, &namespace))?;
        }
        Some(Verb::Unknown(words)) => return Err(unknown_subcommand("user namespace", &words)),
    }
    Ok(Exit::Done)
}

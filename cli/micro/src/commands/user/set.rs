//! `micro user set password`.

use clap::Subcommand;
use micro_proto::auth::{Account, Accounts, ChangeSecretRequest, Options};

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
    /// The password so far; asked for if not given, but not of an administrator for somebody else
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
    let me = whoami(&session).await?;
    let id = args.email.unwrap_or_else(|| me.id.clone());
    let old_secret = match args.old_password {
        Some(password) => password,
        None if resets(&me, &id) => String::new(),
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

/// Whether this is an administrator who gives somebody else a password, without knowing the one so far.
fn resets(me: &Account, id: &str) -> bool {
    let own = me.id == id || me.name.eq_ignore_ascii_case(id);
    !own && me.r#type == "user" && me.scopes.iter().any(|scope| scope == "admin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_administrator_resets_and_only_others() {
        let account = |scopes: &[&str]| Account {
            id: "owner".into(),
            name: "ada@example.com".into(),
            r#type: "user".into(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            ..Default::default()
        };
        assert!(resets(&account(&["admin"]), "bob"));
        assert!(!resets(&account(&[]), "bob"));
        for own in ["owner", "ada@example.com", "Ada@example.com"] {
            assert!(!resets(&account(&["admin"]), own), "{own}");
        }
    }
}

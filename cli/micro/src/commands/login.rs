//! `micro login`: with a password, or with a code that is mailed.

use micro_proto::auth::{self, Auth};

use super::signup;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    home::Token,
    prompt,
};

/// Interactive login flow.
///
/// Logs in with a user name, or e-mail address, and a password. With --otp a code is mailed instead; an address
/// that is not known yet is signed up.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro login\n  micro login --email ada@example.com\n  micro login --otp ada@example.com"
)]
pub struct Args {
    /// User name or e-mail address
    #[arg(long, alias = "email", value_name = "NAME", visible_alias = "email")]
    username: Option<String>,

    /// Password; asked for if not given
    #[arg(long)]
    password: Option<String>,

    /// Log in with a one-time code that is mailed to you
    #[arg(long)]
    otp: bool,

    /// E-mail address for --otp
    #[arg(value_name = "EMAIL")]
    words: Vec<String>,
}

impl Args {
    /// `micro login help`, as the words for somebody who is not logged in have it.
    pub fn wants_help(&self) -> bool {
        !self.otp && self.words.first().is_some_and(|w| w == "help")
    }
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    if args.otp {
        let email = args.words.into_iter().next().or(args.username);
        return signup::with_code(email, args.password, signup::Welcome::LogIn, ctx).await;
    }
    let username = match args.username {
        Some(name) => name,
        None => prompt::line(&ctx.out, "Enter username: ", "--username")?,
    };
    let password = match args.password {
        Some(password) => password,
        None => prompt::secret(&ctx.out, "Enter password: ", "--password")?,
    };
    let session = ctx.anonymous().await?;
    // The server knows where an address belongs; a plain name is one of the namespace in use.
    let namespace = if username.contains('@') {
        String::new()
    } else {
        session.namespace.clone()
    };
    let request = auth::TokenRequest {
        id: username,
        secret: password,
        options: Some(auth::Options { namespace }),
        ..Default::default()
    };
    let answer = session
        .auth()
        .token(&session.caller(), request)
        .await
        .map_err(|e| Failure::detail(&e))?;
    let token = answer.token.ok_or_else(|| Failure::plain("the server sent no token"))?;
    ctx.remember(&session, Token::from(token)).await?;
    ctx.out.line("Successfully logged in.");
    Ok(Exit::Done)
}

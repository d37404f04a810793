//! `micro user token`.

use secrecy::ExposeSecret;

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Print the access token, for other programs
///
/// It is good for some minutes only: ask again each time. Prints an empty line if nobody is logged in.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(ctx: &Ctx) -> Result {
    let token = match ctx.stored_token(&ctx.env()?)? {
        Some(_) => ctx
            .session()
            .await?
            .token()
            .map(|t| t.expose_secret().to_owned())
            .unwrap_or_default(),
        None => String::new(),
    };
    if ctx.out.json() {
        ctx.out.value(&serde_json::json!({ "token": token }))?;
    } else {
        ctx.out.line(token);
    }
    Ok(Exit::Done)
}

//! `micro logout`: ends the login, on the server first.

use micro_error::Kind;
use micro_proto::auth::{EndSessionRequest, Sessions};

use crate::{
    ctx::Ctx,
    envs::Env,
    exit::{Exit, Failure, Result},
    home::Token,
};

/// Logout.
///
/// Ends the session on the server, so that its tokens are worth nothing anywhere, and forgets it here.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let env = ctx.env()?;
    let (Some(key), Some(token)) = (ctx.stored_key(&env)?, ctx.stored_token(&env)?) else {
        return Ok(Exit::Done);
    };
    let ended = end(ctx, token).await;
    forget(ctx, &env, &key)?;
    ended.map_err(|why| {
        let message = format!(
            "Logged out here, but the session on the server could not be ended: {}",
            why.message.lines().next().unwrap_or_default()
        );
        Failure::new(why.exit, message)
    })
}

async fn end(ctx: &Ctx, token: Token) -> Result {
    let session = ctx.anonymous().await?.authorised(token.access_token.into());
    let request = EndSessionRequest {
        refresh_token: token.refresh_token,
    };
    match session.logins().end(&session.caller(), request).await {
        Ok(_) => Ok(Exit::Done),
        // It has ended already, or the server is an older one that keeps no sessions.
        Err(e)
            if matches!(
                e.kind(),
                Kind::Unauthenticated | Kind::Forbidden | Kind::NotFound | Kind::Unimplemented
            ) =>
        {
            Ok(Exit::Done)
        }
        Err(e) => Err(Failure::of(&e)),
    }
}

fn forget(ctx: &Ctx, env: &Env, key: &str) -> Result<()> {
    ctx.home.tokens().lock()?.remove(key)?;
    ctx.home.config().change(|config| {
        config.delete(&format!("{}.current-user", env.name));
        Ok(())
    })
}

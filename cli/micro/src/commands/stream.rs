//! `micro stream`: one request to an endpoint that answers many times.

use futures::StreamExt;

use super::{call, question::Question};
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
};

/// Create a service stream e.g. micro stream foo Bar.Baz '{"key": "value"}'
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Example:\n  micro stream greeter Greeter.Stream '{\"count\": 3}'"
)]
pub struct Args {
    #[command(flatten)]
    question: Question,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let asked = args.question.read()?;
    let session = ctx.session().await?;
    let caller = asked.caller(&session);
    let answers = session
        .stream_json(&caller, &asked.service, &asked.endpoint, asked.body)
        .await;
    let mut answers = answers.map_err(|e| session.explain(&e))?;
    while let Some(answer) = answers.next().await {
        call::print(&ctx.out, &answer.map_err(|e| session.explain(&e))?)?;
    }
    Ok(Exit::Done)
}

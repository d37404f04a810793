//! `micro call`: one request to any endpoint, written as JSON.

use std::time::Duration;

use super::question::Question;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    json,
    out::{Out, Output},
    span,
};

/// Call a service e.g micro call greeter Say.Hello '{"name": "John"}'
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  micro call greeter Greeter.Hello '{\"name\":\"Ada\"}'\n  micro call --metadata Tone=loud greeter Greeter.Hello '{}'"
)]
pub struct Args {
    #[command(flatten)]
    question: Question,

    /// How long to wait: 500ms, 5s
    #[arg(long = "request_timeout", alias = "request-timeout", value_name = "SPAN")]
    request_timeout: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let asked = args.question.read()?;
    let limit = args.request_timeout.as_deref().map(limit).transpose()?;
    let mut session = ctx.session().await?;
    if let Some(limit) = limit {
        session = session.within(limit);
    }
    let caller = asked.caller(&session);
    let answer = session
        .call_json(&caller, &asked.service, &asked.endpoint, asked.body)
        .await;
    print(&ctx.out, &answer.map_err(|e| session.explain(&e))?)?;
    Ok(Exit::Done)
}

/// An answer on stdout.
pub fn print(out: &Out, answer: &[u8]) -> Result<()> {
    let unreadable = || Failure::new(Exit::BadMethod, "Error while trying to format the response");
    let text = std::str::from_utf8(answer).map_err(|_| unreadable())?;
    match out.form() {
        Output::Raw => out.line(text),
        Output::Text | Output::Json => out.line(json::indent(text).map_err(|_| unreadable())?),
    }
    Ok(())
}

fn limit(text: &str) -> Result<Duration> {
    let wrong = || {
        Failure::new(
            Exit::NotAuthorized,
            "Invalid format for request_timeout duration. Try 500ms or 5s",
        )
    };
    span::parse(text)
        .and_then(|span| Duration::try_from(span).ok())
        .filter(|d| !d.is_zero())
        .ok_or_else(wrong)
}

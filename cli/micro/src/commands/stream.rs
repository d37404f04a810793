//! `micro stream`: one request to an endpoint that answers many times.

use futures::StreamExt;

use super::call;
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
    /// The service
    service: String,
    /// Its endpoint: Handler.Method
    endpoint: String,
    /// The request
    #[arg(value_name = "JSON")]
    body: Vec<String>,

    /// Sent beside the request; may be repeated
    #[arg(
        long,
        alias = "header",
        env = "MICRO_METADATA",
        value_name = "KEY=VALUE",
        hide_env_values = true
    )]
    metadata: Vec<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    call::check_endpoint(&args.endpoint)?;
    let body = call::body(&args.body)?;
    let metadata = call::metadata(&args.metadata)?;
    let session = ctx.session().await?;
    let caller = session.caller_in(&super::service::home_of(&args.service, &session.namespace), metadata);
    let answers = session.stream_json(&caller, &args.service, &args.endpoint, body).await;
    let mut answers = answers.map_err(|e| session.explain(&e))?;
    while let Some(answer) = answers.next().await {
        call::print(&ctx.out, &answer.map_err(|e| session.explain(&e))?)?;
    }
    Ok(Exit::Done)
}

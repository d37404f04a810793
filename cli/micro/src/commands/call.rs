//! `micro call`: one request to any endpoint, written as JSON.

use std::time::Duration;

use micro_tenancy::Metadata;

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

    /// How long to wait: 500ms, 5s
    #[arg(long = "request_timeout", alias = "request-timeout", value_name = "SPAN")]
    request_timeout: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    check_endpoint(&args.endpoint)?;
    let body = body(&args.body)?;
    let metadata = metadata(&args.metadata)?;
    let limit = args.request_timeout.as_deref().map(limit).transpose()?;
    let mut session = ctx.session().await?;
    if let Some(limit) = limit {
        session = session.within(limit);
    }
    let namespace = super::service::home_of(&args.service, &session.namespace);
    let caller = session.caller_in(&namespace, metadata);
    let answer = session.call_json(&caller, &args.service, &args.endpoint, body).await;
    print(&ctx.out, &answer.map_err(|e| session.explain(&e))?)?;
    Ok(Exit::Done)
}

/// Refuses what cannot name an endpoint, before anything is sent. A whole path goes as it is.
pub fn check_endpoint(endpoint: &str) -> Result<()> {
    if endpoint.starts_with('/') {
        return Ok(());
    }
    match endpoint.split('.').collect::<Vec<_>>().as_slice() {
        [handler, method] if !handler.is_empty() && !method.is_empty() && !endpoint.contains('/') => Ok(()),
        _ => Err(Failure::new(
            Exit::BadMethod,
            format!("Method name {endpoint:?} invalid format. Expecting service.endpoint"),
        )),
    }
}

/// The words of a request, as one JSON text.
pub fn body(words: &[String]) -> Result<String> {
    if words.is_empty() {
        return Ok("{}".into());
    }
    let text = words.join(" ");
    json::check(&text).map_err(|e| Failure::plain(format!("Error creating request {e}")))?;
    Ok(text)
}

/// `key=value` pairs as metadata: names in lower case, as they travel.
pub fn metadata(pairs: &[String]) -> Result<Metadata> {
    let pair = |pair: &String| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_ascii_lowercase(), value.to_owned())),
        _ => Err(Failure::plain(format!("invalid metadata {pair:?}: expected KEY=VALUE"))),
    };
    pairs.iter().map(pair).collect()
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

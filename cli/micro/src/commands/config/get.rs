//! `micro config get`.

use micro_proto::config::{Config, GetRequest};

use super::Wanted;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    out::Out,
};

/// Print a value
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro config get greeter\n  micro config get --secret greeter.key")]
pub struct Args {
    #[command(flatten)]
    wanted: Wanted,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let (path, options) = args.wanted.read()?;
    let session = ctx.logged_in().await?;
    let request = GetRequest {
        namespace: session.namespace.clone(),
        path,
        options,
    };
    let answer = session.config().get(&session.caller(), request).await;
    let value = answer.map_err(|e| session.explain(&e))?.value.unwrap_or_default();
    match value.data.as_str() {
        "" | "null" => Err(Failure::plain("Not found")),
        json => {
            print(&ctx.out, json);
            Ok(Exit::Done)
        }
    }
}

/// A value on stdout: JSON for programs.
pub fn print(out: &Out, json: &str) {
    match out.json() {
        true => out.line(json),
        false => out.line(plain(json)),
    }
}

/// A text without its quotes; anything else as it is.
fn plain(json: &str) -> String {
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_printed_as_it_was_set() {
        assert_eq!(plain(r#""say \"hi\"\n""#), "say \"hi\"\n");
        assert_eq!(plain("[1,\"a\"]"), "[1,\"a\"]");
        assert_eq!(plain("2.50"), "2.50");
    }
}

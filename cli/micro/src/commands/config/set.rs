//! `micro config set`.

use micro_proto::config::{Config, Options, SetRequest, Value};

use super::key;
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    json, prompt,
};

/// Set a value
///
/// JSON is taken as such, anything else as text. Objects are merged into what is there, other values replace it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro config set greeter.words '{\"hello\":\"Hi\"}'\n  micro config set --secret greeter.key"
)]
pub struct Args {
    /// Where it lies: names with dots between them
    key: Option<String>,

    /// The value. A secret that is left out is asked for, so that it stands in no history
    #[arg(allow_negative_numbers = true)]
    value: Option<String>,

    /// Keep it encrypted, and show it only to who asks for secrets
    #[arg(short, long)]
    secret: bool,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let path = key(args.key)?;
    let session = ctx.logged_in().await?;
    let value = match args.value {
        Some(value) => value,
        None if args.secret => prompt::secret(&ctx.out, "Enter the value: ", "VALUE")?,
        None => return Err(Failure::plain("A value is required; an empty text is \"\"")),
    };
    let request = SetRequest {
        namespace: session.namespace.clone(),
        path,
        value: Some(Value {
            data: as_json(value)?,
            format: String::new(),
        }),
        options: Some(Options { secret: args.secret }),
    };
    session
        .config()
        .set(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?;
    Ok(Exit::Done)
}

fn as_json(value: String) -> Result<String> {
    if json::check(&value).is_ok() {
        return Ok(value);
    }
    serde_json::to_string(&value).map_err(|e| Failure::because("writing JSON", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_text() {
        for (value, json) in [
            ("1", "1"),
            ("true", "true"),
            ("[1, 2]", "[1, 2]"),
            ("\"1\"", "\"1\""),
            ("hello", "\"hello\""),
            ("say \"hi\"", r#""say \"hi\"""#),
            ("007", "\"007\""),
            ("", "\"\""),
        ] {
            assert_eq!(as_json(value.into()).expect("JSON"), json);
        }
    }
}

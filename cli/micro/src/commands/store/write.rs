//! `micro store write`.

use micro_proto::store::{Record, Store, WriteOptions, WriteRequest};
use time::Duration;

use super::{Place, refused};
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    span,
};

/// Write a record
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro store write visits 7\n  micro store write --expiry 1h session abc")]
pub struct Args {
    /// The record's key, and its value: words are joined by spaces
    #[arg(value_names = ["KEY", "VALUE"], num_args = 0.., allow_negative_numbers = true)]
    words: Vec<String>,

    #[command(flatten)]
    place: Place,

    /// How long it lives: 90s, 1h30m
    #[arg(long, value_name = "SPAN", default_value = "", hide_default_value = true)]
    expiry: String,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let (key, value) = match args.words.split_first() {
        Some((key, words)) if !words.is_empty() => (key.clone(), words.join(" ")),
        _ => return Err(Failure::plain("Key and Value args are required")),
    };
    let expiry = expiry(&args.expiry)?;
    let session = ctx.logged_in().await?;
    let request = WriteRequest {
        record: Some(Record {
            key,
            value: value.into(),
            expiry,
            ..Default::default()
        }),
        options: Some(WriteOptions {
            database: args.place.database(&session),
            table: args.place.table,
        }),
    };
    session
        .store()
        .write(&session.caller(), request)
        .await
        .map_err(|e| refused(&session, "couldn't write", &e))?;
    Ok(Exit::Done)
}

/// A span in whole seconds, rounded up; 0 for ever.
fn expiry(text: &str) -> Result<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    let span = span::parse(text).ok_or_else(|| {
        Failure::plain(format!(
            "expiry flag is invalid: {text:?} is no span of time. Try 90s or 1h30m"
        ))
    })?;
    Ok(span.whole_seconds() + i64::from(span > Duration::seconds(span.whole_seconds())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_in_seconds() {
        for (text, seconds) in [("", 0), ("1s", 1), ("1m30s", 90), ("1500ms", 2), ("1ms", 1)] {
            assert_eq!(expiry(text).expect(text), seconds, "{text}");
        }
        let refused = expiry("soon").expect_err("no span");
        assert!(refused.message.starts_with("Expiry flag is invalid: "), "{refused:?}");
    }
}

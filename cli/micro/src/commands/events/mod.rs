//! `micro events`: the topics of a namespace, what is in them, and the groups that consume them. Upstream has no such
//! command: other words are calls of the service `events`, as there.

mod delete;
mod groups;
mod letters;
mod publish;
mod replay;
mod seek;
mod tail;
mod topics;

use std::ffi::OsString;

use clap::Subcommand;
use micro_proto::events::Event;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    ctx::Ctx,
    exit::{Failure, Result},
    span,
};

/// Topics, their events, and who consumes them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  micro events publish orders '{\"id\": 7}'\n  micro events tail orders --since 1h\n  micro events groups orders\n  micro events letters orders billing"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Topics(topics::Args),
    Publish(publish::Args),
    Tail(tail::Args),
    Groups(groups::Args),
    Seek(seek::Args),
    Letters(letters::Args),
    Replay(replay::Args),
    Delete(delete::Args),
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    match args.verb {
        None => super::help("events"),
        Some(Verb::Topics(args)) => topics::run(args, ctx).await,
        Some(Verb::Publish(args)) => publish::run(args, ctx).await,
        Some(Verb::Tail(args)) => tail::run(args, ctx).await,
        Some(Verb::Groups(args)) => groups::run(args, ctx).await,
        Some(Verb::Seek(args)) => seek::run(args, ctx).await,
        Some(Verb::Letters(args)) => letters::run(args, ctx).await,
        Some(Verb::Replay(args)) => replay::run(args, ctx).await,
        Some(Verb::Delete(args)) => delete::run(args, ctx).await,
        Some(Verb::Other(words)) => Err(super::unknown_subcommand("events", &words)),
    }
}

impl Args {
    /// The words of a call of the service `events`, if that is what they are.
    pub fn call(&self) -> Option<Vec<OsString>> {
        match &self.verb {
            Some(Verb::Other(words)) => Some(std::iter::once("events".into()).chain(words.iter().cloned()).collect()),
            _ => None,
        }
    }
}

/// Where in a topic to begin.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(multiple = false)]
struct Beginning {
    /// With what was published so long ago: 90s, 1h30m
    #[arg(long, value_name = "SPAN")]
    since: Option<String>,

    /// With the event of this number
    #[arg(long, value_name = "NUMBER")]
    number: Option<u64>,

    /// With the oldest that is kept
    #[arg(long)]
    oldest: bool,
}

impl Beginning {
    /// Micro's offset, in unix seconds, and our number. Nothing said: with what comes next.
    fn place(&self, now: OffsetDateTime) -> Result<(i64, Option<u64>)> {
        if self.oldest {
            return Ok((0, Some(0)));
        }
        let Some(text) = &self.since else {
            return Ok((0, self.number));
        };
        let span = span::parse(text)
            .ok_or_else(|| Failure::plain(format!("{text:?} is no span of time. Try 90s or 1h30m")))?;
        let at = now.checked_sub(span).map_or(1, OffsetDateTime::unix_timestamp);
        Ok((at.max(1), None))
    }
}

/// An event for people: its payload, as text where it is text.
fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

/// An event for programs.
fn as_json(event: &Event) -> Value {
    let payload = serde_json::from_slice(&event.payload).unwrap_or_else(|_| json!(text(&event.payload)));
    json!({
        "number": event.number,
        "id": event.id,
        "topic": event.topic,
        "time": stamp(event.timestamp),
        "metadata": event.metadata,
        "payload": payload,
    })
}

fn stamp(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_time_or_a_number() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(1);
        let place = |since: Option<&str>, number, oldest| {
            let beginning = Beginning {
                since: since.map(str::to_owned),
                number,
                oldest,
            };
            beginning.place(now).map_err(|e| e.message)
        };
        assert_eq!(place(None, None, false), Ok((0, None)));
        assert_eq!(place(Some("1h"), None, false), Ok((82_800, None)));
        assert_eq!(place(Some("1000d"), None, false), Ok((1, None)), "never now");
        assert_eq!(place(None, Some(7), false), Ok((0, Some(7))));
        assert_eq!(place(None, None, true), Ok((0, Some(0))));
        assert!(place(Some("soon"), None, false).is_err_and(|e| e.contains("no span")));
    }

    #[test]
    fn programs_get_json_payloads_as_json() {
        let event = |payload: &str| Event {
            payload: payload.into(),
            ..Event::default()
        };
        assert_eq!(as_json(&event(r#"{"a":1}"#))["payload"], json!({ "a": 1 }));
        assert_eq!(as_json(&event("plain words"))["payload"], json!("plain words"));
    }
}

//! `micro events letters`.

use micro_proto::events::{DeadLetter, DeadLettersRequest, Groups};
use serde_json::json;

use super::{as_json, stamp, text};
use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
    table::{self, Fill},
};

/// List dead letters: events that a group refused until it gave them up
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The topic
    topic: String,

    /// The group
    group: String,

    /// At most so many
    #[arg(short, long, value_name = "N", default_value_t = 100)]
    limit: u64,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let mut letters: Vec<DeadLetter> = Vec::new();
    // Pages may be shorter than asked for: only an empty one is the last.
    while (letters.len() as u64) < args.limit {
        let request = DeadLettersRequest {
            topic: args.topic.clone(),
            group: args.group.clone(),
            limit: args.limit - letters.len() as u64,
            after: letters.last().map(|last| last.number),
        };
        let page = session.groups().dead_letters(&session.caller(), request).await;
        let page = page.map_err(|e| session.explain(&e))?.letters;
        if page.is_empty() {
            break;
        }
        letters.extend(page);
    }
    if ctx.out.json() {
        let letters: Vec<_> = letters
            .iter()
            .map(|l| {
                json!({
                    "number": l.number,
                    "attempts": l.attempts,
                    "given_up": stamp(l.buried_at),
                    "event": l.event.as_ref().map(as_json),
                })
            })
            .collect();
        ctx.out.value(&letters)?;
    } else if !letters.is_empty() {
        ctx.out.raw(&table_of(&letters));
    }
    Ok(Exit::Done)
}

fn table_of(letters: &[DeadLetter]) -> String {
    const SHOWN: usize = 60;
    let header = ["NUMBER", "EVENT", "ATTEMPTS", "GIVEN UP", "PAYLOAD"]
        .map(str::to_owned)
        .to_vec();
    let row = |letter: &DeadLetter| {
        let event = letter.event.clone().unwrap_or_default();
        let line: String = text(&event.payload).split_whitespace().collect::<Vec<_>>().join(" ");
        vec![
            letter.number.to_string(),
            event.number.to_string(),
            letter.attempts.to_string(),
            stamp(letter.buried_at),
            line.chars().take(SHOWN).collect(),
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(letters.iter().map(row)).collect();
    table::render(&rows, Fill::Spaces(3))
}

//! `micro store read`.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use micro_error::Kind;
use micro_proto::store::{ReadOptions, ReadRequest, Record, Store};
use serde::Serialize;
use time::Duration;

use super::{Part, Place, refused};
use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    span,
    table::{self, Fill},
};

/// Read records
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro store read visits\n  micro store read --prefix --verbose users/")]
pub struct Args {
    /// The record's key
    key: Option<String>,

    #[command(flatten)]
    place: Place,

    /// Read all records whose key begins so
    #[arg(short, long)]
    prefix: bool,

    /// Read all records whose key ends so
    #[arg(long)]
    suffix: bool,

    #[command(flatten)]
    part: Part,

    /// Show keys and when they expire
    #[arg(short, long)]
    verbose: bool,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let key = args.key.ok_or_else(|| Failure::plain("Key arg is required"))?;
    let session = ctx.logged_in().await?;
    let options = ReadOptions {
        database: args.place.database(&session),
        table: args.place.table,
        prefix: args.prefix,
        suffix: args.suffix,
        limit: args.part.limit,
        offset: args.part.offset,
        order: args.part.order.word(),
    };
    let request = ReadRequest {
        key: key.clone(),
        options: Some(options),
    };
    let answer = session.store().read(&session.caller(), request).await;
    let records = match answer {
        Ok(answer) => answer.records,
        Err(e) if e.kind() == Kind::NotFound => return Err(Failure::plain("Not found")),
        Err(e) => return Err(refused(&session, &format!("Couldn't read {key} from store"), &e)),
    };
    if ctx.out.json() {
        ctx.out.value(&records.iter().map(Row::of).collect::<Vec<_>>())?;
    } else if args.verbose {
        ctx.out.raw(&text(&records));
    } else {
        records
            .iter()
            .for_each(|record| ctx.out.line(String::from_utf8_lossy(&record.value)));
    }
    Ok(Exit::Done)
}

/// A record as Micro prints it for programs.
#[derive(Serialize)]
struct Row<'r> {
    key: &'r str,
    value: String,
    metadata: BTreeMap<&'r str, &'r str>,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<i64>,
}

impl<'r> Row<'r> {
    fn of(record: &'r Record) -> Self {
        let notes = record.metadata.iter();
        Self {
            key: &record.key,
            value: STANDARD.encode(&record.value),
            metadata: notes.map(|(name, note)| (name.as_str(), note.value.as_str())).collect(),
            expiry: (record.expiry != 0).then(|| record.expiry.saturating_mul(1_000_000_000)),
        }
    }
}

fn text(records: &[Record]) -> String {
    let header = ["KEY", "VALUE", "EXPIRY"].map(str::to_owned).to_vec();
    let row = |record: &Record| {
        let expiry = match record.expiry {
            0 => "None".to_owned(),
            seconds => format!("in {}", span::units(Duration::seconds(seconds))),
        };
        vec![record.key.clone(), printable(&record.value), expiry]
    };
    let rows: Vec<_> = std::iter::once(header).chain(records.iter().map(row)).collect();
    table::render(&rows, Fill::Spaces(3))
}

/// A value for a table: what does not print is shown as the hexadecimal digits of its first bytes.
fn printable(value: &[u8]) -> String {
    const SHOWN: usize = 20;
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => value.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8], expiry: i64) -> Record {
        Record {
            key: key.into(),
            value: value.into(),
            expiry,
            ..Default::default()
        }
    }

    #[test]
    fn the_table_is_micros_to_the_byte() {
        assert_eq!(
            text(&[record("k1", b"v1", 0), record("k2", b"v2", 0)]),
            "KEY   VALUE   EXPIRY\nk1    v1      None\nk2    v2      None\n"
        );
        assert_eq!(
            text(&[record("b", &[0xff; 30], 90)]),
            format!(
                "KEY   VALUE{}EXPIRY\nb     {}   in 1m30s\n",
                " ".repeat(38),
                "ff".repeat(20)
            )
        );
    }

    #[test]
    fn programs_get_what_micro_gives_them() {
        let json = |record: &Record| serde_json::to_string(&Row::of(record)).expect("JSON");
        assert_eq!(
            json(&record("k1", b"v1", 0)),
            r#"{"key":"k1","value":"djE=","metadata":{}}"#
        );
        assert_eq!(
            json(&record("k1", b"v1", 2)),
            r#"{"key":"k1","value":"djE=","metadata":{},"expiry":2000000000}"#
        );
    }
}

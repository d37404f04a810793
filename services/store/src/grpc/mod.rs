//! The doors: parse, call, render. Namespaces that messages name are entered by `Caller`'s own rules.

mod blobs;
mod records;
mod snapshots;
mod store;
mod uploads;

pub use store::Served;

use micro_error::Error;
use micro_proto::store as wire;
use micro_tenancy::{Caller, Tenant};
use time::{Duration, OffsetDateTime};

use crate::{
    Refusal,
    app::write_record::Draft,
    store::entry::{Entry, Field},
};

/// Where records lie if a request does not say (reference/micro-wire §2.3).
const DEFAULT_TABLE: &str = "micro";

/// Leave to work in the database that a message names: a namespace, by default the caller's own.
fn enter(caller: &Caller, database: &str, id: &str) -> Result<Tenant, Error> {
    caller.enter_as_admin(database).map_err(|error| error.with_id(id))
}

fn table(named: &str) -> &str {
    if named.is_empty() { DEFAULT_TABLE } else { named }
}

fn draft(record: Option<wire::Record>) -> Result<Draft, Refusal> {
    let record = record.ok_or(Refusal::NoRecord)?;
    let lives = match record.expiry {
        0 => None,
        seconds @ 1.. => Some(Duration::seconds(seconds)),
        _ => return Err(Refusal::Expiry),
    };
    Ok(Draft {
        key: record.key,
        value: record.value,
        metadata: record
            .metadata
            .into_iter()
            .map(|(name, note)| (name, field(note)))
            .collect(),
        lives,
    })
}

fn field(field: wire::Field) -> Field {
    Field {
        kind: field.r#type,
        value: field.value,
    }
}

/// An annotation as it travels: where its writer gave it no type, it is text.
fn note(field: Field) -> wire::Field {
    wire::Field {
        r#type: if field.kind.is_empty() {
            "string".into()
        } else {
            field.kind
        },
        value: field.value,
    }
}

/// An entry as it travels: what is left of its life in seconds, rounded up, so that it never looks endless.
fn render(entry: Entry, now: OffsetDateTime) -> wire::Record {
    let left = |at: OffsetDateTime| {
        let left = at - now;
        (left.whole_seconds() + i64::from(left.subsec_nanoseconds() > 0)).max(1)
    };
    wire::Record {
        key: entry.key,
        value: entry.value.into(),
        expiry: entry.expires_at.map_or(0, left),
        metadata: entry
            .metadata
            .into_iter()
            .map(|(name, field)| (name, note(field)))
            .collect(),
    }
}

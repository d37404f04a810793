//! A snapshot as a file: a line of JSON for its head, one for each record, and one for its foot, which tells a file
//! that was cut off from a whole one.

use std::{collections::BTreeMap, io::BufRead};

use base64::{Engine, engine::general_purpose::STANDARD};
use micro_proto::store::{Field, Stored};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The version of this form.
const FORM: u64 = 1;

/// A line as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Head { micro_store_snapshot: u64 },
    Record(Row),
    Foot { records: u64 },
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub enum Line {
    Head,
    Record(Stored),
    /// So many records were before it.
    Foot(u64),
}

#[derive(Serialize, Deserialize)]
struct Row {
    table: String,
    key: String,
    value: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Note>,
    /// Unix nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct Note {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The first line.
pub fn head(database: &str, taken_at: i64) -> String {
    json!({ "micro_store_snapshot": FORM, "database": database, "taken_at": taken_at }).to_string()
}

/// A record's line.
pub fn record(stored: &Stored) -> String {
    let note = |field: &Field| Note {
        kind: field.r#type.clone(),
        value: field.value.clone(),
    };
    let row = Row {
        table: stored.table.clone(),
        key: stored.key.clone(),
        value: STANDARD.encode(&stored.value),
        metadata: stored.metadata.iter().map(|(n, f)| (n.clone(), note(f))).collect(),
        expires_at: stored.expires_at,
    };
    // Text and numbers: there is nothing that JSON cannot say.
    serde_json::to_string(&row).unwrap_or_default()
}

/// The last line.
pub fn foot(records: u64) -> String {
    json!({ "records": records }).to_string()
}

/// Reads a line.
pub fn parse(line: &str) -> Result<Line, String> {
    let row = match serde_json::from_str(line).map_err(|_| "this is no snapshot of a store".to_owned())? {
        Written::Head {
            micro_store_snapshot: FORM,
        } => return Ok(Line::Head),
        Written::Head { .. } => return Err("a newer micro wrote this snapshot".into()),
        Written::Foot { records } => return Ok(Line::Foot(records)),
        Written::Record(row) => row,
    };
    let field = |note: Note| Field {
        r#type: note.kind,
        value: note.value,
    };
    let value = STANDARD.decode(&row.value);
    Ok(Line::Record(Stored {
        value: value.map_err(|_| "a record's value is damaged".to_owned())?,
        table: row.table,
        key: row.key,
        metadata: row.metadata.into_iter().map(|(n, note)| (n, field(note))).collect(),
        expires_at: row.expires_at,
    }))
}

/// Whether it is a snapshot, and whole.
pub fn check(file: &mut impl BufRead) -> Result<(), String> {
    let (mut records, mut begun, mut end) = (0, false, None);
    for line in file.lines() {
        match parse(&line.map_err(|e| e.to_string())?)? {
            Line::Head if !begun => begun = true,
            Line::Record(_) if begun && end.is_none() => records += 1,
            Line::Foot(told) if begun && end.is_none() => end = Some(told),
            _ => return Err("this is no snapshot of a store".into()),
        }
    }
    match end {
        Some(told) if told == records => Ok(()),
        _ => Err(format!("the snapshot was cut off: it has {records} records and no end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Stored {
        let field = Field {
            r#type: "int".into(),
            value: "7 \u{1F980}\n".into(),
        };
        Stored {
            table: "t".into(),
            key: "k\n\"".into(),
            value: vec![0, 255, 10],
            metadata: [("n".to_owned(), field)].into(),
            expires_at: 1_767_225_600_000_000_001,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let plain = Stored {
            table: "t".into(),
            key: "k".into(),
            ..Stored::default()
        };
        for stored in [stored(), plain] {
            let line = record(&stored);
            assert!(!line.contains('\n'));
            assert_eq!(parse(&line), Ok(Line::Record(stored)));
        }
    }

    #[test]
    fn what_is_cut_off_or_no_snapshot_is_told() {
        let whole = [head("ada", 1), record(&stored()), record(&stored()), foot(2)];
        let check = |lines: &[String]| check(&mut lines.join("\n").as_bytes());
        assert_eq!(check(&whole), Ok(()));
        assert!(check(&whole[..3]).is_err_and(|e| e.contains("cut off: it has 2 records")));
        assert!(check(&[head("ada", 1), record(&stored()), foot(2)]).is_err());
        assert!(check(&whole[1..]).is_err_and(|e| e.contains("no snapshot")));
        assert!(check(&[]).is_err() && check(&["[]".into()]).is_err());
        assert!(parse(r#"{"micro_store_snapshot":2}"#).is_err_and(|e| e.contains("newer")));
    }
}

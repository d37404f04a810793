//! How our answer differs from the recorded one, apart from ids, times and addresses.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bytes::Bytes;
use micro_error::{Kind, WireError};
use micro_rpc::{Code, Codec, Status};
use serde_json::{Map, Value, json};

use crate::{
    call::Reply,
    messages,
    vectors::{Exchange, Side},
};

/// Stands for any UUID.
const ID: &str = "<id>";

/// By what differs (`outcome`, `error /error/Detail`, `reply /services/0/status`): theirs and ours.
pub type Different = BTreeMap<String, (Value, Value)>;

/// Compares one answer.
pub fn answers(exchange: &Exchange, ours: &Reply) -> Result<Different> {
    let mut found = Different::new();
    let mut note = |what: &str, theirs: Value, ours: Value| {
        if theirs != ours {
            found.insert(what.to_owned(), (theirs, ours));
        }
    };
    let ours_ended = ended(ours.status.as_ref());
    let text = exchange.grpc_message.clone().unwrap_or_default();
    let theirs_ended = match serde_json::from_str::<WireError>(&text) {
        // Upstream's proxy calls every Micro error INTERNAL; ours have the code that their `Code` stands for.
        // Its clients read the message (reference/micro-wire §1.6, §10.2 no. 27).
        Ok(wire) => json!({ "grpc": Kind::of_status(wire.code).grpc(), "error": wire }),
        Err(_) => json!({ "grpc": exchange.grpc_code, "message": text }),
    };
    if exchange.grpc_code != 0 && ours.status.is_some() {
        walk("error ", &theirs_ended, &ours_ended, &mut note);
        return Ok(found);
    }
    if exchange.grpc_code != 0 || ours.status.is_some() {
        note("outcome", theirs_ended, ours_ended);
        return Ok(found);
    }
    let theirs = replies(exchange, &exchange.sent_by(Side::Server))?;
    let ours = replies(exchange, &ours.messages)?;
    walk("reply ", &theirs, &ours, &mut note);
    Ok(found)
}

fn ended(status: Option<&Status>) -> Value {
    match status {
        None => json!({ "grpc": Code::OK.0, "message": "" }),
        Some(Status::Error(e)) => json!({ "grpc": e.kind().grpc(), "error": e.to_wire() }),
        Some(Status::Plain { code, message }) => json!({ "grpc": code.0, "message": message }),
    }
}

fn keys(a: &Value, b: &Value) -> Vec<String> {
    let objects = [a, b].into_iter().filter_map(Value::as_object);
    let mut all: Vec<String> = objects.flat_map(Map::keys).cloned().collect();
    all.sort();
    all.dedup();
    all
}

/// The messages with what is each run's own taken out: one alone, or the list of a stream.
fn replies(exchange: &Exchange, messages: &[Bytes]) -> Result<Value> {
    let read = |message: &Bytes| -> Result<Value> {
        let mut value = match messages::sent(&exchange.path, Side::Server) {
            Some(known) => known.value(exchange.codec(), message.clone())?,
            None if exchange.codec() == Codec::Json => serde_json::from_slice(message).context("JSON")?,
            None => Value::String(hex::encode(message)),
        };
        mask(&mut value);
        if exchange.path == "/registry.Registry/ListServices" {
            only_names(&mut value);
        }
        Ok(value)
    };
    let mut all = messages.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(match all.len() {
        1 => all.remove(0),
        _ => Value::Array(all),
    })
}

/// Replaces ids, times and addresses by words that are alike in every run.
fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => {
            if let (Some(created), Some(expiry)) = (number(fields, "created"), number(fields, "expiry")) {
                fields.insert("created".into(), json!("<time>"));
                fields.insert("expiry".into(), json!(format!("<{} s later>", expiry - created)));
            }
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), &field) {
                    ("access_token" | "refresh_token", Value::String(_)) => *field = json!("<token>"),
                    ("timestamp" | "started" | "lastStatusUpdate", _) => *field = json!("<time>"),
                    ("address", _) => *field = json!("<address>"),
                    _ => mask(field),
                }
            }
            // Upstream's order of services is undefined (reference/micro-wire §10.2 no. 50).
            if let Some(Value::Array(services)) = fields.get_mut("services") {
                services.sort_by_key(|s| s["name"].to_string());
            }
        }
        Value::String(text) => *text = without_ids(text),
        _ => {}
    }
}

/// A list of services says their names; some of upstream's registries say more (reference/micro-wire §2.2).
fn only_names(list: &mut Value) {
    for service in list["services"].as_array_mut().into_iter().flatten() {
        *service = service["name"].take();
    }
}

fn number(fields: &Map<String, Value>, name: &str) -> Option<i64> {
    fields.get(name)?.as_str()?.parse().ok()
}

/// The text with each UUID as `<id>`.
fn without_ids(text: &str) -> String {
    const LENGTH: usize = 36;
    let is_id = |slice: &str| {
        slice.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..LENGTH) {
            Some(slice) if is_id(slice) => {
                out.push_str(ID);
                rest = &rest[LENGTH..];
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// Notes the places where two values differ: the deepest that say it, but lists of different lengths as one.
fn walk(at: &str, theirs: &Value, ours: &Value, note: &mut impl FnMut(&str, Value, Value)) {
    match (theirs, ours) {
        (Value::Object(_), Value::Object(_)) => {
            for key in keys(theirs, ours) {
                walk(&format!("{at}/{key}"), &theirs[&key], &ours[&key], note);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{at}/{index}"), a, b, note);
            }
        }
        // What upstream makes up as a UUID is random here too, in a form of our own.
        (Value::String(id), Value::String(made)) if id == ID && !made.is_empty() => {}
        _ => note(at, theirs.clone(), ours.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_each_runs_own_is_masked() {
        let mut value = json!({
            "token": { "access_token": "a", "created": "100", "expiry": "160" },
            "nodes": [{ "id": "x-9b1b759e-6ad9-479c-8d1a-b8da45c82fa1", "address": "10.0.0.1:1" }],
            "services": [{ "name": "b" }, { "name": "a" }],
        });
        mask(&mut value);
        let masked = json!({
            "token": { "access_token": "<token>", "created": "<time>", "expiry": "<60 s later>" },
            "nodes": [{ "id": "x-<id>", "address": "<address>" }],
            "services": [{ "name": "a" }, { "name": "b" }],
        });
        assert_eq!(value, masked);
    }

    #[test]
    fn a_difference_is_named_by_its_place() {
        let mut places = vec![];
        walk(
            "reply ",
            &json!({ "a": [{ "b": 1 }], "c": [1] }),
            &json!({ "a": [{ "b": 2 }], "c": [1, 2], "d": 0 }),
            &mut |at, theirs, ours| {
                if theirs != ours {
                    places.push(at.to_owned());
                }
            },
        );
        assert_eq!(places, ["reply /a/0/b", "reply /c", "reply /d"]);
    }
}

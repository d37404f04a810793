//! Every rpc of the core, in both codecs: the same answer.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use bytes::Bytes;
use micro_proto::services;
use micro_rpc::{Codec, MethodDescriptor, Status};
use micro_wire::{messages, vectors::Side};
use serde_json::{Map, Value, json};

use crate::world::{Door, like_a_command, with};

/// Packages that a local server answers for.
const CORE: [&str; 7] = ["auth", "broker", "config", "events", "registry", "runtime", "store"];
/// Nanoseconds; a stream that stays open ends with that.
const SHORT: &str = "250000000";

/// By path, what a server that has just started says to an empty request.
async fn answers(codec: Codec) -> Result<BTreeMap<String, Value>> {
    let door = Door::open().await?;
    let core = services().filter(|s| CORE.contains(&s.package)).flat_map(|s| s.methods);
    let mut paths: Vec<String> = core.map(|m| m.path.to_owned()).collect();
    paths.extend(CORE.map(|service| format!("/{service}.Debug/Health")));
    // It ends the session that all others need.
    paths.sort_by_key(|path| path == "/auth.Sessions/End");
    let mut all = BTreeMap::new();
    for path in paths {
        let method = messages::method(&path).expect("it is ours");
        all.insert(path.clone(), answer(&door, &path, method, codec).await?);
    }
    Ok(all)
}

async fn answer(door: &Door, path: &str, method: &MethodDescriptor, codec: Codec) -> Result<Value> {
    let mut exchange = with(like_a_command(path), "content-type", codec.content_type());
    if method.kind.streams_replies() {
        exchange = with(exchange, "timeout", SHORT);
    }
    let reply = door.ask(&exchange, vec![Bytes::new()]).await?;
    Ok(match reply.status {
        Some(Status::Error(e)) => json!(e.to_wire()),
        Some(Status::Plain { code, message }) => json!([code.0, message]),
        None => {
            let known = messages::sent(path, Side::Server).expect("it is ours");
            let read = |message: Bytes| Ok(shape(&known.value(codec, message)?));
            let read: Result<Vec<_>, Status> = reply.messages.into_iter().map(read).collect();
            json!(read?)
        }
    })
}

/// What a message has, without what it is: ids and times are each run's own.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.clone(), shape(field)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn every_core_rpc_answers_alike_in_both_codecs() -> Result<()> {
    let (proto, json) = tokio::try_join!(answers(Codec::Proto), answers(Codec::Json))?;
    ensure!(proto.len() > 45, "only {}", proto.len());
    let differ = proto.iter().filter(|(path, answer)| json[*path] != **answer);
    let differ: Vec<_> = differ.map(|(path, a)| format!("{path}: {a} {}", json[path])).collect();
    ensure!(differ.is_empty(), "{differ:#?}");
    let failed = proto.iter().filter(|(_, answer)| answer["Code"] == 500);
    let failed: Vec<_> = failed
        .filter(|(_, answer)| answer["Detail"] == "Something went wrong")
        .collect();
    ensure!(failed.is_empty(), "{failed:#?}");
    Ok(())
}

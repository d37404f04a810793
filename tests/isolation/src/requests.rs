//! Requests from descriptors: every field filled with what an attacker would put there.

use micro_rpc::{FieldDescriptor, FieldType, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::victim::Known;

/// Fields that can name a namespace, wherever in a request they are.
const NAMING: [&str; 8] = [
    "namespace",
    "namespaces",
    "namespace_id",
    "domain",
    "database",
    "network",
    "issuer",
    "environment",
];

/// Messages that contain themselves end here.
const DEPTH: usize = 6;

/// Whether a request has a field that names a namespace.
pub fn names(message: &MessageDescriptor) -> bool {
    named_within(message, DEPTH)
}

fn named_within(message: &MessageDescriptor, depth: usize) -> bool {
    message.fields.iter().any(|field| match field.kind {
        FieldType::String => NAMING.contains(&field.name),
        FieldType::Message(inner) => depth > 0 && named_within(inner, depth - 1),
        _ => false,
    })
}

/// What an attacker fills a request with.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// What is known of the victim.
    pub known: &'a Known,
    /// Goes into every field that names a namespace.
    pub naming: Option<&'a str>,
    /// Goes into every other text, in place of the victim's ids.
    pub text: Option<&'a str>,
}

/// A request with that in it.
pub fn body(message: &MessageDescriptor, filling: Filling<'_>) -> Value {
    filled(message, filling, DEPTH)
}

fn filled(message: &MessageDescriptor, filling: Filling<'_>, depth: usize) -> Value {
    let fields = message.fields.iter().filter_map(|field| {
        let one = value(message, field, filling, depth)?;
        let value = if field.repeated { json!([one]) } else { one };
        Some((field.name.to_owned(), value))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn value(message: &MessageDescriptor, field: &FieldDescriptor, filling: Filling<'_>, depth: usize) -> Option<Value> {
    let Filling {
        known,
        naming,
        text: given,
    } = filling;
    match &field.kind {
        FieldType::String if NAMING.contains(&field.name) => naming.map(|name| json!(name)),
        FieldType::String => {
            let text = given.or_else(|| text(message.name, field.name, known));
            text.map(|text| json!(text))
        }
        FieldType::Bytes => Some(json!("aGVsbG8=")),
        FieldType::Int32 | FieldType::Int64 | FieldType::Uint32 | FieldType::Uint64
            if matches!(field.name, "limit" | "count" | "depth") =>
        {
            Some(json!(50))
        }
        // The first event, dead letter and release: everybody's numbers begin alike.
        FieldType::Uint64 if matches!(field.name, "number" | "numbers") => Some(json!(0)),
        FieldType::Uint64 if field.name == "release" => Some(json!(1)),
        FieldType::Int64 if field.name == "ack_wait" => Some(json!(1_000_000_000)),
        FieldType::Message(inner) if depth > 0 => Some(filled(inner, filling, depth - 1)),
        FieldType::Map(_, inner) if matches!(**inner, FieldType::String) => {
            Some(json!({ "owner": known.account, "namespace": known.namespace, "Micro-Namespace": known.namespace }))
        }
        _ => None,
    }
}

/// What a text field holds: by its name, and where that says too little, by its message.
fn text<'k>(message: &str, field: &str, known: &'k Known) -> Option<&'k str> {
    let text: &str = match (message, field) {
        ("auth.Rule" | "auth.DeleteRequest", "id") => &known.rule,
        ("auth.Resource", "name") | (_, "service") => &known.service,
        ("registry.Service" | "runtime.Service", "name") => &known.service,
        (_, "id" | "account" | "name") => &known.account,
        (_, "version") => "latest",
        (_, "email") => &known.email,
        (
            "store.BlobReadRequest" | "store.BlobWriteRequest" | "store.BlobDeleteRequest" | "store.FetchBlobRequest",
            "key",
        ) => &known.blob,
        (_, "key") => &known.key,
        (_, "upload") => &known.upload,
        (_, "table") => return None,
        (_, "path") => &known.path,
        ("registry.WatchRequest", "revision") => &known.revision,
        ("store.FetchBlobRequest", "revision") => &known.blob_revision,
        (_, "topic" | "group" | "queue") => &known.topic,
        (_, "scope" | "scopes") => "*",
        (_, "data") => "\"overwritten\"",
        (_, "format") => "json",
        (_, "address") => "127.0.0.1:9",
        (_, "prefix" | "suffix" | "order" | "type" | "provider" | "cursor" | "state") => return None,
        // Secrets, codes and tokens: guesses.
        _ => "0123456789abcdef0123456789abcdef01234567",
    };
    Some(text)
}

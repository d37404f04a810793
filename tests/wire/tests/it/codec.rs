//! Messages: the recorded ones, and every type with all fields set.

use std::collections::BTreeSet;

use bytes::Bytes;
use micro_error::WireError;
use micro_rpc::Codec;
use micro_wire::{
    filled::{self, Spelling},
    messages, plain,
    vectors::{self, Exchange, Side},
};
use serde_json::Value;

/// Recorded services that are no part of the platform: a person's own, and one that never existed.
const NOT_OURS: [&str; 4] = ["alert", "helloworld", "nosuch", "store.Store/Nope"];

fn recorded() -> Vec<Exchange> {
    let commands = vectors::commands().into_iter().flat_map(|c| c.exchanges);
    commands.chain(vectors::services().into_values().flatten()).collect()
}

fn is_ours(exchange: &Exchange) -> bool {
    !NOT_OURS
        .iter()
        .any(|other| exchange.path.trim_start_matches('/').starts_with(other))
        || exchange.path.contains(".Debug/")
}

#[test]
fn every_recorded_message_is_read_and_written_alike() {
    let mut seen = 0;
    for exchange in recorded().iter().filter(|e| is_ours(e)) {
        for message in &exchange.messages {
            let path = &exchange.path;
            let known = messages::sent(path, message.from).unwrap_or_else(|| panic!("{path} is not ours"));
            match exchange.codec() {
                Codec::Proto => {
                    let theirs = plain::sorted(&message.bytes, known.descriptor)
                        .unwrap_or_else(|e| panic!("{path} {:?}: {e}", message.from));
                    let ours = known.recode(Codec::Proto, Codec::Proto, message.bytes.clone());
                    let ours = plain::sorted(&ours.expect("it decodes"), known.descriptor).expect("ours is known");
                    assert_eq!(ours, theirs, "{path} {:?}", message.from);
                }
                Codec::Json => {
                    let ours = known.value(Codec::Json, message.bytes.clone()).expect("it decodes");
                    let theirs: Value = serde_json::from_slice(&message.bytes).expect("JSON");
                    assert_eq!(ours, theirs, "{path} {:?}", message.from);
                }
            }
            seen += 1;
        }
    }
    assert!(seen > 120, "only {seen} messages were looked at");
}

#[test]
fn every_recorded_error_is_read_and_written_alike() {
    let errors: BTreeSet<String> = recorded()
        .into_iter()
        .filter_map(|e| e.grpc_message)
        .filter(|text| text.starts_with('{'))
        .collect();
    assert!(errors.len() >= 8, "{errors:?}");
    for text in errors {
        let wire: WireError = serde_json::from_str(&text).expect("an error object");
        let error = micro_error::Error::from(wire);
        assert_eq!(error.to_json(), text);
    }
}

#[test]
fn every_recorded_call_is_of_a_method_of_ours_with_its_kind() {
    for exchange in recorded().iter().filter(|e| is_ours(e)) {
        let method = messages::method(&exchange.path).unwrap_or_else(|| panic!("{} is not ours", exchange.path));
        let replies = exchange.sent_by(Side::Server).len();
        assert!(replies <= 1 || method.kind.streams_replies(), "{}", exchange.path);
    }
}

#[test]
fn every_message_survives_both_codecs_with_all_fields_set() {
    let all = messages::all();
    assert!(all.len() > 200, "only {} messages", all.len());
    for message in all {
        let name = message.descriptor.name;
        let proto = Bytes::from(filled::proto(message.descriptor));
        let recode = |from, to, bytes: &Bytes| {
            message
                .recode(from, to, bytes.clone())
                .unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        assert_eq!(recode(Codec::Proto, Codec::Proto, &proto), proto, "{name}");
        let snake = filled::json(message.descriptor, Spelling::Snake);
        let written = recode(Codec::Proto, Codec::Json, &proto);
        let written: Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(written, snake, "{name}");
        for spelling in [Spelling::Snake, Spelling::Camel] {
            let json = Bytes::from(filled::json(message.descriptor, spelling).to_string());
            assert_eq!(recode(Codec::Json, Codec::Proto, &json), proto, "{name} {spelling:?}");
        }
    }
}

#[test]
fn every_message_may_be_empty_and_leaves_defaults_out() {
    for message in messages::all() {
        let name = message.descriptor.name;
        for (codec, nothing) in [
            (Codec::Proto, ""),
            (Codec::Json, ""),
            (Codec::Json, "null"),
            (Codec::Json, "{}"),
        ] {
            let recode = |to| {
                message
                    .recode(codec, to, Bytes::from(nothing))
                    .expect("nothing is a message")
            };
            assert_eq!(recode(Codec::Proto), "", "{name} {nothing:?}");
            assert_eq!(recode(Codec::Json), "{}", "{name} {nothing:?}");
        }
    }
}

#[test]
fn a_field_that_is_not_there_is_refused_in_upstreams_words() {
    for message in messages::all() {
        let name = message.descriptor.name;
        let refused = message.recode(Codec::Json, Codec::Proto, Bytes::from(r#"{"no_such":1}"#));
        let status = refused.expect_err("an unknown field").to_string();
        assert!(
            status.ends_with(&format!(r#"unknown field "no_such" in {name}"#)),
            "{status}"
        );
    }
}

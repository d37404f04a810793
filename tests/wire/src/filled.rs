//! Messages with every field set, written from their descriptors alone: as protobuf and as JSON, in both spellings.

use base64::{Engine, prelude::BASE64_STANDARD};
use micro_rpc::{FieldDescriptor, FieldType, MessageDescriptor};
use prost::encoding::{WireType, encode_key, encode_varint};
use serde_json::{Map, Value, json};

/// Messages that hold themselves are filled so deep.
const DEEPEST: u32 = 3;

/// Which names JSON has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As in the proto file: what we write.
    Snake,
    /// As upstream's typed clients write.
    Camel,
}

/// A message as protobuf, its fields in the order of their numbers.
pub fn proto(of: &MessageDescriptor) -> Vec<u8> {
    message(of, 1)
}

/// The same message as JSON.
pub fn json(of: &MessageDescriptor, spelling: Spelling) -> Value {
    object(of, spelling, 1)
}

fn fields(of: &MessageDescriptor, depth: u32) -> Vec<&'static FieldDescriptor> {
    let fits = |f: &&FieldDescriptor| depth < DEEPEST || !matches!(f.kind, FieldType::Message(_));
    let mut fields: Vec<_> = of.fields.iter().filter(fits).collect();
    fields.sort_by_key(|f| f.number);
    fields
}

fn message(of: &MessageDescriptor, depth: u32) -> Vec<u8> {
    let mut out = vec![];
    for field in fields(of, depth) {
        let number = field.number;
        match (&field.kind, field.repeated) {
            (FieldType::Map(key, value), _) => {
                let mut entry = vec![];
                single(1, key, depth, &mut entry);
                single(2, value, depth, &mut entry);
                delimited(number, &entry, &mut out);
            }
            // Lists of numbers are packed in proto3.
            (kind, true) if wire_of(kind) != WireType::LengthDelimited => {
                let mut packed = vec![];
                (0..2).for_each(|_| scalar(kind, &mut packed));
                delimited(number, &packed, &mut out);
            }
            (kind, repeated) => (0..if repeated { 2 } else { 1 }).for_each(|_| single(number, kind, depth, &mut out)),
        }
    }
    out
}

fn single(number: u32, kind: &FieldType, depth: u32, out: &mut Vec<u8>) {
    match kind {
        FieldType::String => delimited(number, TEXT.as_bytes(), out),
        FieldType::Bytes => delimited(number, BYTES, out),
        FieldType::Message(inner) => delimited(number, &message(inner, depth + 1), out),
        kind => {
            encode_key(number, wire_of(kind), out);
            scalar(kind, out);
        }
    }
}

fn delimited(number: u32, content: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

const fn wire_of(kind: &FieldType) -> WireType {
    match kind {
        FieldType::Double => WireType::SixtyFourBit,
        FieldType::Float => WireType::ThirtyTwoBit,
        FieldType::String | FieldType::Bytes | FieldType::Message(_) | FieldType::Map(..) => WireType::LengthDelimited,
        _ => WireType::Varint,
    }
}

const TEXT: &str = "text \u{20ac} \"%\"";
const BYTES: &[u8] = &[0, 255, 10];
const NUMBER: f32 = 1.5;
/// Negative numbers are ten bytes long.
const SMALL: i32 = -7;
/// Beyond what a JSON number holds exactly.
const LARGE: i64 = -(1 << 60) - 1;
const LARGE_UNSIGNED: u64 = u64::MAX - 1;
const UNSIGNED: u32 = u32::MAX - 1;

fn scalar(kind: &FieldType, out: &mut Vec<u8>) {
    match kind {
        FieldType::Double => out.extend_from_slice(&f64::from(NUMBER).to_le_bytes()),
        FieldType::Float => out.extend_from_slice(&NUMBER.to_le_bytes()),
        FieldType::Int32 => encode_varint(i64::from(SMALL).cast_unsigned(), out),
        FieldType::Int64 => encode_varint(LARGE.cast_unsigned(), out),
        FieldType::Uint32 => encode_varint(u64::from(UNSIGNED), out),
        FieldType::Uint64 => encode_varint(LARGE_UNSIGNED, out),
        FieldType::Bool => out.push(1),
        FieldType::Enum(words) => encode_varint(i64::from(last(words).1).cast_unsigned(), out),
        FieldType::String | FieldType::Bytes | FieldType::Message(_) | FieldType::Map(..) => {
            unreachable!("these have a length")
        }
    }
}

/// A word whose number is not the default, which would not be written.
fn last(words: &'static micro_rpc::EnumDescriptor) -> (&'static str, i32) {
    *words.values.last().expect("an enum has words")
}

fn object(of: &MessageDescriptor, spelling: Spelling, depth: u32) -> Value {
    let named = fields(of, depth).into_iter().map(|field| {
        let name = match spelling {
            Spelling::Snake => field.name,
            Spelling::Camel => field.json_name,
        };
        let value = match (&field.kind, field.repeated) {
            (FieldType::Map(key, value), _) => {
                let key = match value_of(key, spelling, depth) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                Value::Object(Map::from_iter([(key, value_of(value, spelling, depth))]))
            }
            (kind, true) => json!([value_of(kind, spelling, depth), value_of(kind, spelling, depth)]),
            (kind, false) => value_of(kind, spelling, depth),
        };
        (name.to_owned(), value)
    });
    Value::Object(named.collect())
}

fn value_of(kind: &FieldType, spelling: Spelling, depth: u32) -> Value {
    match kind {
        FieldType::Double | FieldType::Float => json!(NUMBER),
        FieldType::Int32 => json!(SMALL),
        FieldType::Uint32 => json!(UNSIGNED),
        FieldType::Int64 => json!(LARGE.to_string()),
        FieldType::Uint64 => json!(LARGE_UNSIGNED.to_string()),
        FieldType::Bool => json!(true),
        FieldType::String => json!(TEXT),
        FieldType::Bytes => json!(BASE64_STANDARD.encode(BYTES)),
        FieldType::Enum(words) => json!(last(words).0),
        FieldType::Message(inner) => object(inner, spelling, depth + 1),
        FieldType::Map(..) => unreachable!("a map is no value of a field"),
    }
}

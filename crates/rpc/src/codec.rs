//! How one message is written: protobuf or JSON, chosen by the content type (reference/micro-wire §1.1).

use bytes::Bytes;
use serde_json::Value;

use crate::{FieldType, MessageDescriptor, Status};

/// A generated message: it can be written both ways and describe itself.
pub trait Message: prost::Message + Default + serde::Serialize + serde::de::DeserializeOwned + Send + 'static {
    /// Its fields.
    const DESCRIPTOR: &'static MessageDescriptor;
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// protobuf
    Proto,
    /// protobuf's JSON form: names as in the proto file, defaults left out.
    Json,
}

impl Codec {
    /// The codec of a gRPC content type; none where it is not one.
    pub fn of_content_type(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence {
            "application/grpc" | "application/grpc+proto" => Some(Self::Proto),
            "application/grpc+json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The content type on the wire.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Proto => "application/grpc+proto",
            Self::Json => "application/grpc+json",
        }
    }

    /// Writes a message.
    pub fn encode<M: Message>(self, message: &M) -> Bytes {
        match self {
            Self::Proto => message.encode_to_vec().into(),
            // A generated message has string keys and finite numbers only: there is nothing that JSON cannot say.
            Self::Json => serde_json::to_vec(message).unwrap_or_default().into(),
        }
    }

    /// Reads a message. Nothing, and the word `null`, are an empty one, as upstream's clients send them.
    pub fn decode<M: Message>(self, bytes: Bytes) -> Result<M, Status> {
        match self {
            Self::Proto => M::decode(bytes).map_err(|e| Status::unreadable(&e.to_string())),
            Self::Json if matches!(bytes.trim_ascii(), b"" | b"null") => Ok(M::default()),
            Self::Json => {
                serde_json::from_slice(&bytes).map_err(|e| Status::unreadable(&why(&bytes, M::DESCRIPTOR, &e)))
            }
        }
    }
}

/// Why JSON was refused, in upstream's words where the reason is a field that does not exist.
fn why(bytes: &[u8], of: &'static MessageDescriptor, error: &serde_json::Error) -> String {
    serde_json::from_slice::<Value>(bytes)
        .ok()
        .and_then(|value| unknown_field(&value, of))
        .unwrap_or_else(|| error.to_string())
}

fn unknown_field(value: &Value, of: &'static MessageDescriptor) -> Option<String> {
    let object = value.as_object()?;
    object.iter().find_map(|(name, value)| match of.field(name) {
        None => Some(format!("unknown field {name:?} in {}", of.name)),
        Some(field) => {
            let nested = match &field.kind {
                FieldType::Message(m) | FieldType::Map(_, FieldType::Message(m)) => m,
                _ => return None,
            };
            match (&field.kind, value) {
                (FieldType::Map(..), Value::Object(entries)) => entries.values().find_map(|v| unknown_field(v, nested)),
                (_, Value::Array(items)) => items.iter().find_map(|v| unknown_field(v, nested)),
                _ => unknown_field(value, nested),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_names_its_codec() {
        for proto in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc; charset=utf-8",
        ] {
            assert_eq!(Codec::of_content_type(proto), Some(Codec::Proto));
        }
        assert_eq!(Codec::of_content_type("application/grpc+json"), Some(Codec::Json));
        for other in ["", "application/json", "application/grpc-web", "application/grpc+bytes"] {
            assert_eq!(Codec::of_content_type(other), None);
        }
    }
}

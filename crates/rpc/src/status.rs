//! How a call ended badly: a Micro error, or a plain gRPC status whose text is not JSON
//! (reference/micro-wire §1.6).

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue};
use micro_error::{Error, Kind, WireError};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::ServiceDescriptor;

/// gRPC writes printable ASCII as it is, and everything else, `%` included, as `%XX`.
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');
/// The most bytes of an error's text as it travels. It stands in the message, and with the details once more in base64:
/// clients take 16 KiB of headers together.
const LONGEST: usize = 3 << 10;

const ERROR_TYPE: &str = "type.googleapis.com/errors.Error";

/// How upstream words a message that its codec refuses.
const UNREADABLE: &str = "grpc: failed to unmarshal the received message";

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

#[expect(missing_docs, reason = "named as in gRPC's list")]
impl Code {
    pub const OK: Self = Self(0);
    pub const CANCELLED: Self = Self(1);
    pub const UNKNOWN: Self = Self(2);
    pub const INVALID_ARGUMENT: Self = Self(3);
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    pub const NOT_FOUND: Self = Self(5);
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    pub const UNIMPLEMENTED: Self = Self(12);
    pub const INTERNAL: Self = Self(13);
    pub const UNAVAILABLE: Self = Self(14);
}

/// How a call ended badly.
#[derive(Clone, Debug)]
pub enum Status {
    /// A Micro error: JSON in `grpc-message`, and `errors.Error` in the details.
    Error(Error),
    /// A status of gRPC itself: its text stands as it is.
    Plain {
        /// Its code.
        code: Code,
        /// Its text.
        message: String,
    },
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(e) => e.fmt(f),
            Self::Plain { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for Status {}

/// As Micro's clients read a status: text that is no error object becomes one of theirs.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        match status {
            Status::Error(error) => error,
            Status::Plain { code, message } => Self::new(kind_of(code), "go.micro.client", message),
        }
    }
}

const fn kind_of(code: Code) -> Kind {
    match code {
        Code::INVALID_ARGUMENT => Kind::Invalid,
        Code::DEADLINE_EXCEEDED => Kind::Timeout,
        Code::RESOURCE_EXHAUSTED => Kind::TooMany,
        Code::UNIMPLEMENTED => Kind::Unimplemented,
        Code::UNAVAILABLE => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ErrorDetail {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int32, tag = "2")]
    code: i32,
    #[prost(string, tag = "3")]
    detail: String,
    #[prost(string, tag = "4")]
    status: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

impl Status {
    /// A status of gRPC itself.
    pub fn plain(code: Code, message: impl Into<String>) -> Self {
        Self::Plain {
            code,
            message: message.into(),
        }
    }

    /// A message that cannot be read: INTERNAL and this wording, as upstream has it.
    pub fn unreadable(why: &str) -> Self {
        Self::plain(Code::INTERNAL, format!("{UNREADABLE} {why}"))
    }

    /// No such handler.
    pub fn unknown_handler(handler: &str) -> Self {
        Self::plain(Code::UNIMPLEMENTED, format!("unknown service {handler}"))
    }

    /// No such method; upstream calls it a service too.
    pub fn unknown_method(service: &ServiceDescriptor, method: &str) -> Self {
        Self::plain(
            Code::UNIMPLEMENTED,
            format!("unknown service {}.{method}", service.name),
        )
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        match self {
            Self::Error(e) => Code(e.kind().grpc()),
            Self::Plain { code, .. } => *code,
        }
    }

    /// The HTTP status that says the same.
    pub fn http(&self) -> u16 {
        match self {
            Self::Error(e) => e.kind().status(),
            Self::Plain {
                code: Code::UNIMPLEMENTED,
                ..
            } => 404,
            Self::Plain { message, .. } if message.starts_with(UNREADABLE) => 400,
            Self::Plain { code, .. } => kind_of(*code).status(),
        }
    }

    /// Writes the status into trailers (or, before anything was sent, headers).
    pub fn write(&self, into: &mut HeaderMap) {
        let code = self.code();
        into.insert("grpc-status", HeaderValue::from(u16::from(code.0)));
        let (text, error) = self.brief();
        if let Ok(value) = HeaderValue::from_str(&encoded(&text)) {
            into.insert("grpc-message", value);
        }
        if let Some(error) = error
            && let Ok(value) = HeaderValue::from_str(&details(code, error, text))
        {
            into.insert("grpc-status-details-bin", value);
        }
    }

    /// The text, cut where it is too long to travel, and what it says of a Micro error.
    fn brief(&self) -> (String, Option<WireError>) {
        let mut error = match self {
            Self::Error(e) => e.to_wire(),
            Self::Plain { message, .. } => {
                let mut message = message.clone();
                while encoded(&message).len() > LONGEST {
                    halve(&mut message);
                }
                return (message, None);
            }
        };
        loop {
            let text = serde_json::to_string(&error).unwrap_or_default();
            if encoded(&text).len() <= LONGEST {
                return (text, Some(error));
            }
            let longer = if error.id.len() > error.detail.len() {
                &mut error.id
            } else {
                &mut error.detail
            };
            halve(longer);
        }
    }

    /// Reads the status out of trailers; none where there is none, and where it is OK.
    pub fn read(from: &HeaderMap) -> Option<Self> {
        let code = from
            .get("grpc-status")?
            .to_str()
            .ok()
            .and_then(|c| c.parse().ok())
            .map_or(Code::UNKNOWN, Code);
        if code == Code::OK {
            return None;
        }
        if let Some(error) = from.get("grpc-status-details-bin").and_then(read_details) {
            return Some(Self::Error(error));
        }
        let text = from.get("grpc-message").map(|m| m.as_bytes()).unwrap_or_default();
        let text = percent_decode_str(&String::from_utf8_lossy(text))
            .decode_utf8_lossy()
            .into_owned();
        Some(match serde_json::from_str::<WireError>(&text) {
            Ok(wire) if !(wire.id.is_empty() && wire.code == 0 && wire.detail.is_empty()) => Self::Error(wire.into()),
            _ => Self::Plain { code, message: text },
        })
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, MESSAGE).to_string()
}

/// Keeps the first half, and says that there was more.
fn halve(text: &mut String) {
    let half = text.floor_char_boundary(text.len() / 2);
    text.truncate(half);
    text.push('\u{2026}');
}

fn details(code: Code, error: WireError, message: String) -> String {
    let WireError {
        id,
        code: status_code,
        detail,
        status,
    } = error;
    let value = prost::Message::encode_to_vec(&ErrorDetail {
        id,
        code: status_code,
        detail,
        status,
    });
    let any = Any {
        type_url: ERROR_TYPE.into(),
        value,
    };
    let status = RpcStatus {
        code: i32::from(code.0),
        message,
        details: vec![any],
    };
    STANDARD_NO_PAD.encode(prost::Message::encode_to_vec(&status))
}

fn read_details(value: &HeaderValue) -> Option<Error> {
    let text = value.as_bytes();
    let bytes = STANDARD_NO_PAD
        .decode(text)
        .or_else(|_| BASE64_STANDARD.decode(text))
        .ok()?;
    let status: RpcStatus = prost::Message::decode(&*bytes).ok()?;
    let any = status
        .details
        .into_iter()
        .next()
        .filter(|any| any.type_url == ERROR_TYPE)?;
    let ErrorDetail {
        id,
        code,
        detail,
        status,
    } = prost::Message::decode(&*any.value).ok()?;
    Some(
        WireError {
            id,
            code,
            detail,
            status,
        }
        .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailers(status: &Status) -> HeaderMap {
        let mut map = HeaderMap::new();
        status.write(&mut map);
        map
    }

    #[test]
    fn a_micro_error_travels_as_json_and_as_details() {
        let status = Status::Error(Error::new(Kind::Invalid, "auth.Auth.Token", "100% of \u{20ac}"));
        let map = trailers(&status);
        assert_eq!(map["grpc-status"], "3");
        assert_eq!(
            map["grpc-message"],
            r#"{"Id":"auth.Auth.Token","Code":400,"Detail":"100%25 of %E2%82%AC","Status":"Bad Request"}"#
        );
        for without in [&[][..], &["grpc-status-details-bin"], &["grpc-message"]] {
            let mut map = map.clone();
            without.iter().for_each(|name| drop(map.remove(*name)));
            let Some(Status::Error(back)) = Status::read(&map) else {
                panic!("an error, without {without:?}")
            };
            assert_eq!(back.to_json(), Error::from(status.clone()).to_json());
        }
    }

    #[test]
    fn a_plain_status_keeps_its_code_and_text() {
        let map = trailers(&Status::unknown_handler("Nope"));
        assert_eq!(
            (map["grpc-status"].as_bytes(), map["grpc-message"].as_bytes()),
            (&b"12"[..], &b"unknown service Nope"[..])
        );
        assert!(!map.contains_key("grpc-status-details-bin"));
        let back = Error::from(Status::read(&map).expect("not ok"));
        assert_eq!((back.id(), back.message()), ("go.micro.client", "unknown service Nope"));
    }

    #[test]
    fn a_text_of_any_length_fits_a_clients_headers() {
        for letter in ["x", "%", "\"", "\u{1}", "\u{20ac}"] {
            let long = letter.repeat(20_000);
            let statuses = [
                Status::from(Error::new(Kind::Invalid, &*long, &*long)),
                Status::plain(Code::INTERNAL, &*long),
            ];
            for status in statuses {
                let mut headers = HeaderMap::new();
                status.write(&mut headers);
                let bytes: usize = headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum();
                assert!(bytes < 12 << 10, "{bytes} of {letter:?}");
                let read = Status::read(&headers).expect("it is one").to_string();
                let (kept, more) = read.split_at(read.find('\u{2026}').expect("it was cut"));
                assert!(long.starts_with(kept) && !kept.is_empty() && more.chars().all(|c| c == '\u{2026}'));
            }
        }
    }

    #[test]
    fn ok_is_no_status() {
        let mut map = HeaderMap::new();
        assert!(Status::read(&map).is_none());
        map.insert("grpc-status", HeaderValue::from_static("0"));
        assert!(Status::read(&map).is_none());
    }
}

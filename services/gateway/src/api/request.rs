//! From an HTTP request to the message of a call.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use micro_domain::Limit;
use micro_error::{Error, Kind};
use micro_rpc::{Codec, metadata_onward};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{ID, params};

/// One message for an endpoint.
pub struct Asked {
    pub codec: Codec,
    pub body: Bytes,
}

impl Asked {
    /// Reads the request as the method and its content type say.
    pub async fn read<R>(
        head: &Parts,
        body: Incoming,
        limit: Limit,
        room: impl Fn(usize) -> Result<R, Error>,
    ) -> Result<Self, Error> {
        let query = head.uri.query().unwrap_or_default();
        let body = match head.method {
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE => collect(body, limit, room).await?,
            _ => Bytes::new(),
        };
        match content_type(&head.headers) {
            "application/proto" | "application/protobuf" | "application/octet-stream" | "application/x-protobuf" => {
                Ok(Self {
                    codec: Codec::Proto,
                    body,
                })
            }
            // curl says so of whatever follows `-d`.
            "application/x-www-form-urlencoded" if body.trim_ascii_start().starts_with(b"{") => {
                Self::read_json(query, body)
            }
            "application/x-www-form-urlencoded" => Ok(Self::json(&Value::Object(params::form(query, &body)?))),
            _ => Self::read_json(query, body),
        }
    }

    /// A body alone passes as it is, once it is known to be JSON.
    fn read_json(query: &str, body: Bytes) -> Result<Self, Error> {
        let empty = body.trim_ascii().is_empty();
        if query.is_empty() {
            if empty {
                return Ok(Self {
                    codec: Codec::Json,
                    body: Bytes::from_static(b"{}"),
                });
            }
            serde_json::from_slice::<IgnoredAny>(&body).map_err(|e| no_json(&e))?;
            return Ok(Self {
                codec: Codec::Json,
                body,
            });
        }
        let mut message = Value::Object(params::query(query)?);
        if !empty {
            params::merge(&mut message, serde_json::from_slice(&body).map_err(|e| no_json(&e))?);
        }
        Ok(Self::json(&message))
    }

    fn json(message: &Value) -> Self {
        Self {
            codec: Codec::Json,
            body: message.to_string().into(),
        }
    }
}

async fn collect<R>(body: Incoming, limit: Limit, room: impl Fn(usize) -> Result<R, Error>) -> Result<Bytes, Error> {
    let too_large = || {
        Error::new(
            Kind::TooLarge,
            ID,
            format!("the body is larger than the limit {} of {}", limit.name, limit.max),
        )
    };
    if body.size_hint().lower() > limit.max {
        return Err(too_large());
    }
    let most = usize::try_from(limit.max).unwrap_or(usize::MAX);
    // One that does not say its length may become as long as is allowed.
    let announced = body
        .size_hint()
        .upper()
        .map_or(most, |n| usize::try_from(n).unwrap_or(most));
    let _until_whole = room(announced)?;
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Error::new(Kind::Invalid, ID, "the request's body ends early")),
    }
}

fn no_json(why: &serde_json::Error) -> Error {
    Error::new(Kind::Invalid, ID, format!("the body is not JSON: {why}"))
}

fn content_type(headers: &HeaderMap) -> &str {
    let text = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Whether the caller asks for a line for each message.
pub fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    accepted
        .flat_map(|a| a.split(','))
        .any(|a| a.split(';').next().unwrap_or_default().trim() == "application/x-ndjson")
}

/// What a node sees of an HTTP request: its headers as metadata, and how it was asked.
pub fn node_headers(head: &Parts, codec: Codec) -> HeaderMap {
    let mut headers = metadata_onward(&head.headers);
    headers.remove(header::ACCEPT_ENCODING);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(codec.content_type()));
    let url = head.uri.path_and_query().map_or("/", |p| p.as_str());
    for (name, value) in [("method", head.method.as_str()), ("url", url)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers
}

//! HTTP headers to Micro's metadata and back (reference/micro-wire §1.3).

use http::{HeaderMap, HeaderName, HeaderValue};
use micro_tenancy::Metadata;

/// The most bytes of names and values that a call may carry.
pub const MAX_METADATA_BYTES: usize = 16 << 10;

/// Belong to one hop or to the door, never to a handler: credentials are held by the `Caller`.
const NOT_METADATA: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The metadata of a request. Repeated values are joined as upstream does; binary ones are left out.
pub fn metadata(headers: &HeaderMap) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let Some(value) = text_of(name, value) else { continue };
        metadata
            .entry(name.as_str().to_owned())
            .and_modify(|all: &mut String| {
                all.push_str(", ");
                all.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    metadata
}

/// The metadata of a request as headers of the next one: [`metadata`] and [`metadata_headers`] in one, without a copy of
/// each word.
pub fn metadata_onward(headers: &HeaderMap) -> HeaderMap {
    let mut onward: HeaderMap = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let Some(more) = text_of(name, value) else { continue };
        let joined = onward.get(name).and_then(|all| all.to_str().ok());
        let joined = joined.and_then(|all| HeaderValue::try_from(format!("{all}, {more}")).ok());
        onward.insert(name.clone(), joined.unwrap_or_else(|| value.clone()));
    }
    onward
}

/// What a header says, if it is metadata.
fn text_of<'v>(name: &HeaderName, value: &'v HeaderValue) -> Option<&'v str> {
    let name = name.as_str();
    let kept_back = NOT_METADATA.contains(&name) || name.starts_with("grpc-") || name.ends_with("-bin");
    value.to_str().ok().filter(|_| !kept_back)
}

/// Metadata as headers of an outgoing call; what cannot be a header is left out.
pub fn metadata_headers(metadata: &Metadata, into: &mut HeaderMap) {
    for (name, value) in metadata {
        let name = name.to_ascii_lowercase();
        if NOT_METADATA.contains(&name.as_str()) || name.starts_with("grpc-") {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            into.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_hop_headers_are_no_metadata() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("te", "trailers"),
            ("grpc-timeout", "1S"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("micro-namespace", HeaderValue::from_static("a"));
        headers.append("x-many", HeaderValue::from_static("1"));
        headers.append("x-many", HeaderValue::from_static("2"));
        let got: Vec<_> = metadata(&headers).into_iter().collect();
        assert_eq!(
            got,
            [("micro-namespace".into(), "a".into()), ("x-many".into(), "1, 2".into())]
        );
        let mut through = HeaderMap::new();
        metadata_headers(&metadata(&headers), &mut through);
        assert_eq!(metadata_onward(&headers), through);
    }
}

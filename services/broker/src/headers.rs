//! What a message's header tells subscribers: what its publisher put there, and where the call came from. Never
//! whose token it was (reference/micro-wire §10.1 #11).

use std::collections::BTreeMap;

use micro_tenancy::Metadata;

/// Clients copy the request that they are serving into what they publish, credentials and all.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// What is copied from the call: which request this belongs to, and nothing that could be a secret.
const COPIED: [&str; 7] = [
    "micro-from-service",
    "micro-namespace",
    "micro-span-id",
    "micro-trace-id",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// Takes credentials out, and adds what the call says of itself under upstream's spelling.
pub fn complete(header: &mut BTreeMap<String, String>, call: &Metadata) {
    header.retain(|name, _| {
        !CREDENTIALS
            .iter()
            .any(|secret| name.trim().eq_ignore_ascii_case(secret))
    });
    for name in COPIED {
        let Some(value) = call.get(name) else { continue };
        if !header.keys().any(|given| given.eq_ignore_ascii_case(name)) {
            header.insert(title_case(name), value.clone());
        }
    }
}

/// `micro-trace-id` is `Micro-Trace-Id`.
fn title_case(name: &str) -> String {
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
    }

    #[test]
    fn credentials_are_taken_out_however_they_are_spelled() {
        let mut header = map(&[
            ("Authorization", "Bearer t"),
            ("COOKIE", "micro-token=t"),
            ("proxy-authorization", "t"),
            ("Content-Type", "application/json"),
        ]);
        complete(
            &mut header,
            &map(&[("authorization", "Bearer t"), ("x-api-key", "t"), ("cookie", "t")]),
        );
        assert_eq!(header, map(&[("Content-Type", "application/json")]));
    }

    #[test]
    fn the_calls_trace_is_added_where_the_publisher_gave_none() {
        let mut header = map(&[("micro-trace-id", "own")]);
        complete(
            &mut header,
            &map(&[("micro-trace-id", "call"), ("micro-span-id", "span")]),
        );
        assert_eq!(header, map(&[("micro-trace-id", "own"), ("Micro-Span-Id", "span")]));
    }
}

//! What of a request's metadata goes along with the calls that are made on its behalf.

use std::collections::BTreeMap;

/// Belong to one hop, to one call, or to the caller alone.
const STAYS: [&str; 22] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "keep-alive",
    "method",
    "micro-namespace",
    "micro-span-id",
    "micro-trace-id",
    "proxy-authorization",
    "remote",
    "te",
    "timeout",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "url",
    "user-agent",
];

/// All of it, as Micro's services pass it on, but for what is of one call: who asks (a service asks as itself), for how
/// long, and in which form.
pub(crate) fn passed_on(metadata: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let goes = |name: &str| !STAYS.contains(&name) && !name.starts_with("grpc-") && !name.starts_with("x-content-");
    let along = metadata.iter().filter(|(name, _)| goes(name));
    along.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_call_stays() {
        let came = [
            ("authorization", "Bearer callers"),
            ("cookie", "session=callers"),
            ("grpc-timeout", "1S"),
            ("locale", "en"),
            ("timeout", "1"),
            ("traceparent", "00-1-2-01"),
            ("x-content-type", "application/json"),
        ];
        let came = came.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let names: Vec<_> = passed_on(&came.into()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["locale", "traceparent"]);
        assert!(STAYS.is_sorted());
    }
}

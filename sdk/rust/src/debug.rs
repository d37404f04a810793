//! `Debug.*`: how this service is, what it logged, and the requests it answered last.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Error,
    frame::{self, Wire},
    identity::number_or_text,
    log,
    trace::Trace,
};

/// How many answered requests are remembered.
const SPANS: usize = 128;
/// The size of a page of memory: Linux's on the machines that Micro runs on.
const PAGE: u64 = 4_096;

/// What there is to know about a running service.
pub(crate) struct Debug {
    started: SystemTime,
    requests: AtomicU64,
    errors: AtomicU64,
    spans: Mutex<VecDeque<Span>>,
}

/// One request that was answered.
struct Span {
    trace: Trace,
    name: String,
    started: SystemTime,
    took: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LogRequest {
    #[serde(deserialize_with = "number_or_text")]
    count: u64,
    #[serde(deserialize_with = "number_or_text")]
    since: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TraceRequest {
    id: String,
}

impl Debug {
    pub(crate) fn new() -> Self {
        Self {
            started: SystemTime::now(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            spans: Mutex::default(),
        }
    }

    /// Notes a request that has been answered.
    pub(crate) fn answered(&self, name: String, trace: Trace, started: SystemTime, well: bool) {
        self.requests.fetch_add(1, Relaxed);
        self.errors.fetch_add(u64::from(!well), Relaxed);
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() == SPANS {
            spans.pop_front();
        }
        let took = started.elapsed().unwrap_or_default();
        spans.push_back(Span {
            trace,
            name,
            started,
            took,
        });
    }

    pub(crate) fn answer(&self, method: &str, wire: Wire, request: &[u8]) -> Result<Bytes, Error> {
        match (method, wire) {
            ("Health", Wire::Json) => frame::encode_json(&json!({ "status": "ok" })),
            ("Health", Wire::Proto) => frame::frame(b"\x0a\x02ok"),
            ("Stats", Wire::Json) => {
                let numbers = self
                    .stats()
                    .map(|(name, n)| (name.to_owned(), Value::from(n.to_string())));
                frame::encode_json(&serde_json::Map::from_iter(numbers))
            }
            ("Stats", Wire::Proto) => frame::frame(&numbered(self.stats().map(|(_, n)| n))),
            ("Log", Wire::Json) => frame::encode_json(&logged(frame::decode_json(request)?)),
            ("Trace", Wire::Json) => frame::encode_json(&self.traced(&frame::decode_json(request)?)),
            ("Log" | "Trace", Wire::Proto) => {
                let refusal = "this service tells its log and traces in JSON (application/grpc+json) only";
                Err(Error::new(501, refusal))
            }
            _ => Err(Error::new(501, format!("unknown service Debug.{method}"))),
        }
    }

    /// By field number, from 1. There is no garbage collector whose pauses could be told.
    fn stats(&self) -> [(&'static str, u64); 8] {
        [
            ("timestamp", unix(SystemTime::now()).as_secs()),
            ("started", unix(self.started).as_secs()),
            ("uptime", self.started.elapsed().unwrap_or_default().as_secs()),
            ("memory", memory()),
            ("threads", threads()),
            ("gc", 0),
            ("requests", self.requests.load(Relaxed)),
            ("errors", self.errors.load(Relaxed)),
        ]
    }

    fn traced(&self, request: &TraceRequest) -> Value {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = spans
            .iter()
            .filter(|s| request.id.is_empty() || s.trace.id == request.id);
        let spans = wanted.map(|span| {
            json!({
                "trace": span.trace.id,
                "id": span.trace.span,
                "parent": span.trace.parent,
                "name": span.name,
                "started": unix(span.started).as_nanos().to_string(),
                "duration": span.took.as_nanos().to_string(),
            })
        });
        json!({ "spans": spans.collect::<Vec<_>>() })
    }
}

fn logged(request: LogRequest) -> Value {
    let count = match request.count {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(usize::MAX),
    };
    let records = log::recent(count, request.since).into_iter().map(|line| {
        json!({
            "timestamp": line.seconds.to_string(),
            "metadata": { "level": line.level },
            "message": line.text,
        })
    });
    json!({ "records": records.collect::<Vec<_>>() })
}

/// A protobuf message of numbers, of fields 1, 2, 3, …
fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut message = vec![];
    for (field, mut number) in (1u8..).zip(numbers) {
        if number == 0 {
            continue;
        }
        message.push(field << 3);
        while number >= 0x80 {
            message.push(number as u8 | 0x80);
            number >>= 7;
        }
        message.push(number as u8);
    }
    message
}

fn unix(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Resident bytes; zero where the system does not tell.
fn memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * PAGE
}

fn threads() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_protobuf_does() {
        assert_eq!(numbered([1, 0, 300]), [0x08, 1, 0x18, 0xac, 0x02]);
    }

    #[test]
    fn memory_and_threads_are_those_of_this_process() {
        assert!(memory() > 100_000, "{}", memory());
        assert!(threads() >= 1, "{}", threads());
    }

    #[test]
    fn a_trace_is_found_by_its_id() {
        let debug = Debug::new();
        for id in ["a", "b"] {
            let trace = Trace {
                id: id.into(),
                span: "s".into(),
                parent: "p".into(),
            };
            debug.answered("Greeter.Hello".into(), trace, SystemTime::now(), id == "a");
        }
        let found = debug.traced(&TraceRequest { id: "b".into() });
        assert_eq!(found["spans"].as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&found["spans"][0]["trace"], &found["spans"][0]["name"]),
            (&json!("b"), &json!("Greeter.Hello"))
        );
        assert_eq!((debug.stats()[6].1, debug.stats()[7].1), (2, 1));
    }
}

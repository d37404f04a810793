//! `Debug.*`: how this service is, what it logged, and the requests it answered and made last.

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
    log::{self, Line},
    protobuf::{self, Message},
    trace::Trace,
    value::number,
};

/// How many answered requests, and calls made on their behalf, are remembered.
const SPANS: usize = 256;
/// The size of a page of memory: Linux's on the machines that Micro runs on.
const PAGE: u64 = 4_096;

/// What there is to know about a running service.
pub(crate) struct Debug {
    started: SystemTime,
    requests: AtomicU64,
    errors: AtomicU64,
    spans: Mutex<VecDeque<Span>>,
}

/// One request that was answered, or a call that was made.
struct Span {
    made: bool,
    trace: Trace,
    name: String,
    started: SystemTime,
    took: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LogRequest {
    #[serde(deserialize_with = "number")]
    count: u64,
    #[serde(deserialize_with = "number")]
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
        self.remember(false, name, trace, started);
    }

    /// Notes a call that was made.
    pub(crate) fn made(&self, name: String, trace: Trace, started: SystemTime) {
        self.remember(true, name, trace, started);
    }

    fn remember(&self, made: bool, name: String, trace: Trace, started: SystemTime) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() == SPANS {
            spans.pop_front();
        }
        let took = started.elapsed().unwrap_or_default();
        spans.push_back(Span {
            made,
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
            ("Stats", Wire::Proto) => {
                let mut message = Message::default();
                for (field, (_, number)) in (1..).zip(self.stats()) {
                    message.number(field, number);
                }
                frame::frame(message.as_bytes())
            }
            ("Log", Wire::Json) => frame::encode_json(&shown_lines(&logged(&frame::decode_json(request)?))),
            ("Log", Wire::Proto) => frame::frame(written_lines(&logged(&LogRequest::read(request)?)).as_bytes()),
            ("Trace", Wire::Json) => {
                let request: TraceRequest = frame::decode_json(request)?;
                frame::encode_json(&self.traced(&request.id, shown_spans))
            }
            ("Trace", Wire::Proto) => {
                let request = TraceRequest::read(request)?;
                frame::frame(self.traced(&request.id, written_spans).as_bytes())
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

    /// The spans of a trace, or all where it has no name, in the form asked for.
    fn traced<T>(&self, id: &str, form: fn(&[&Span]) -> T) -> T {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<_> = spans.iter().filter(|s| id.is_empty() || s.trace.id == id).collect();
        form(&wanted)
    }
}

impl LogRequest {
    fn read(message: &[u8]) -> Result<Self, Error> {
        let mut request = Self::default();
        for (field, value) in protobuf::fields(message)? {
            match field {
                1 => request.count = value.number(),
                2 => request.since = value.number(),
                _ => {}
            }
        }
        Ok(request)
    }
}

impl TraceRequest {
    fn read(message: &[u8]) -> Result<Self, Error> {
        let fields = protobuf::fields(message)?;
        let id = fields.iter().rfind(|(field, _)| *field == 1);
        Ok(Self {
            id: id.map(|(_, value)| value.text()).unwrap_or_default(),
        })
    }
}

fn logged(request: &LogRequest) -> Vec<Line> {
    let count = match request.count {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(usize::MAX),
    };
    log::recent(count, request.since)
}

fn shown_lines(lines: &[Line]) -> Value {
    let records = lines.iter().map(|line| {
        json!({
            "timestamp": line.seconds.to_string(),
            "metadata": match line.trace.as_str() {
                "" => json!({ "level": line.level }),
                trace => json!({ "level": line.level, "trace": trace }),
            },
            "message": line.text,
        })
    });
    json!({ "records": records.collect::<Vec<_>>() })
}

fn written_lines(lines: &[Line]) -> Message {
    let mut response = Message::default();
    for line in lines {
        let (mut record, mut level) = (Message::default(), Message::default());
        level.text(1, "level").text(2, line.level);
        record.number(1, line.seconds).message(2, &level);
        if !line.trace.is_empty() {
            let mut trace = Message::default();
            trace.text(1, "trace").text(2, &line.trace);
            record.message(2, &trace);
        }
        record.text(3, &line.text);
        response.message(1, &record);
    }
    response
}

fn shown_spans(spans: &[&Span]) -> Value {
    let spans = spans.iter().map(|span| {
        json!({
            "trace": span.trace.id,
            "id": span.trace.span,
            "parent": span.trace.parent,
            "name": span.name,
            "started": unix(span.started).as_nanos().to_string(),
            "duration": span.took.as_nanos().to_string(),
            "type": if span.made { "OUTBOUND" } else { "INBOUND" },
        })
    });
    json!({ "spans": spans.collect::<Vec<_>>() })
}

fn written_spans(spans: &[&Span]) -> Message {
    let mut response = Message::default();
    for Span {
        made,
        trace,
        name,
        started,
        took,
    } in spans
    {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let mut span = Message::default();
        span.text(1, &trace.id)
            .text(2, &trace.span)
            .text(3, &trace.parent)
            .text(4, name);
        span.number(5, nanos(unix(*started)))
            .number(6, nanos(*took))
            .number(8, u64::from(*made));
        response.message(1, &span);
    }
    response
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
        let found = debug.traced("b", shown_spans);
        assert_eq!(found["spans"].as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&found["spans"][0]["trace"], &found["spans"][0]["name"]),
            (&json!("b"), &json!("Greeter.Hello"))
        );
        assert_eq!((debug.stats()[6].1, debug.stats()[7].1), (2, 1));
        let request = TraceRequest::read(b"\x0a\x01a\x0a\x01b").expect("a request");
        assert_eq!(request.id, "b", "the last one counts");
        let written = debug.traced("b", written_spans);
        let span = protobuf::fields(written.as_bytes()).expect("a message");
        let [(1, protobuf::Field::Bytes(span))] = span[..] else {
            panic!("one span")
        };
        let texts: Vec<_> = protobuf::fields(span).expect("a span")[..4]
            .iter()
            .map(|(_, v)| v.text())
            .collect();
        assert_eq!(texts, ["b", "s", "p", "Greeter.Hello"]);
    }
}

//! Calls to a service: replies, streams, errors, and what `Debug` tells.

use bytes::Bytes;
use micro_sdk::{Context, Error, Service, Streaming};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{core::frame, running::Running};

#[derive(Deserialize, Serialize)]
struct Number {
    n: u32,
}

async fn double(_: Context, number: Number) -> Result<Number, Error> {
    match number.n {
        7 => panic!("seven"),
        13 => Err(Error::not_found("no such number")),
        n => Ok(Number { n: n * 2 }),
    }
}

async fn count(_: Context, to: Number) -> Result<Streaming<Number>, Error> {
    Ok(Streaming::of(move |sender| async move {
        for n in 1..=to.n.min(3) {
            sender.send(Number { n }).await?;
        }
        match to.n {
            0..=3 => Ok(()),
            _ => Err(Error::bad_request("no further than 3")),
        }
    }))
}

fn service() -> Service {
    Service::new("numbers")
        .handle("Numbers.Double", double)
        .stream("Numbers.Count", count)
}

#[tokio::test]
async fn one_request_has_one_reply() {
    let running = Running::start(service()).await;
    for path in ["/numbers.Numbers/Double", "/Numbers/Double"] {
        assert_eq!(
            running.ask(path, &json!({ "n": 21 })).await.json(),
            [json!({ "n": 42 })]
        );
    }
}

#[tokio::test]
async fn failures_are_errors_of_micros_and_end_only_their_own_call() {
    let running = Running::start(service()).await;
    let error = |id: &str, code: u16, detail: &str, status: &str| json!({ "Id": id, "Code": code, "Detail": detail, "Status": status });
    let id = "numbers.Numbers.Double";
    let table = [
        (json!({ "n": 13 }), error(id, 404, "no such number", "Not Found")),
        (
            json!({ "n": 7 }),
            error(id, 500, "Numbers.Double panicked", "Internal Server Error"),
        ),
    ];
    for (request, expected) in table {
        assert_eq!(
            running.ask("/numbers.Numbers/Double", &request).await.failed(),
            expected
        );
    }
    let unknown = running.ask("/numbers.Numbers/Halve", &json!({})).await.failed();
    assert_eq!(
        unknown,
        error("numbers", 501, "unknown service Numbers.Halve", "Not Implemented")
    );
    let misread = running
        .ask("/numbers.Numbers/Double", &json!({ "n": "x" }))
        .await
        .failed();
    assert_eq!(misread["Code"], 400);
}

#[tokio::test]
async fn a_struct_refuses_protobuf_and_says_why() {
    let running = Running::start(service()).await;
    let refused = running
        .send(
            "/numbers.Numbers/Double",
            "application/grpc+proto",
            frame(&json!(0)),
            &[],
        )
        .await;
    assert_eq!(
        (refused.status.as_str(), refused.content_type.as_str()),
        ("12", "application/grpc+proto")
    );
    assert!(
        refused.failed()["Detail"]
            .as_str()
            .is_some_and(|d| d.contains("application/grpc+json"))
    );
}

#[tokio::test]
async fn a_stream_has_its_messages_and_then_how_it_ended() {
    let running = Running::start(service()).await;
    let all = running.ask("/numbers.Numbers/Count", &json!({ "n": 2 })).await;
    assert_eq!(all.json(), [json!({ "n": 1 }), json!({ "n": 2 })]);
    let broken = running.ask("/numbers.Numbers/Count", &json!({ "n": 9 })).await;
    assert_eq!(broken.messages.len(), 3);
    assert_eq!(broken.failed()["Id"], "numbers.Numbers.Count");
}

#[tokio::test]
async fn debug_tells_health_numbers_and_spans() {
    let running = Running::start(service()).await;
    let headers = [("micro-trace-id", "story"), ("micro-span-id", "above")];
    let body = frame(&json!({ "n": 13 }));
    running
        .send("/numbers.Numbers/Double", "application/grpc+json", body, &headers)
        .await;

    assert_eq!(
        running.ask("/Debug/Health", &json!({})).await.json(),
        [json!({ "status": "ok" })]
    );
    let health = running
        .send(
            "/Debug/Health",
            "application/grpc",
            Bytes::from_static(b"\0\0\0\0\0"),
            &[],
        )
        .await;
    assert_eq!(health.messages, [Bytes::from_static(b"\x0a\x02ok")]);
    let stats = &running.ask("/numbers.Debug/Stats", &json!({})).await.json()[0];
    assert_eq!((&stats["requests"], &stats["errors"]), (&json!("1"), &json!("1")));
    let spans = &running.ask("/Debug/Trace", &json!({ "id": "story" })).await.json()[0]["spans"];
    assert_eq!(
        (&spans[0]["name"], &spans[0]["parent"]),
        (&json!("Numbers.Double"), &json!("above"))
    );
    let log = &running.ask("/Debug/Log", &json!({ "count": "1000" })).await.json()[0];
    let lines = log["records"].as_array().expect("lines");
    assert!(
        lines
            .iter()
            .any(|l| l["message"].as_str().is_some_and(|m| m.starts_with("service=numbers"))),
        "{log}"
    );
    for (path, within) in [
        ("/Debug/Log", &b"service=numbers"[..]),
        ("/Debug/Trace", b"Numbers.Double"),
    ] {
        let empty = Bytes::from_static(b"\0\0\0\0\0");
        let told = running.send(path, "application/grpc", empty, &[]).await;
        let message = &told.messages[0];
        assert!(
            message.windows(within.len()).any(|part| part == within),
            "{path}: {message:?}"
        );
        let broken = Bytes::from_static(b"\0\0\0\0\x01\x0a");
        let refused = running.send(path, "application/grpc", broken, &[]).await;
        assert_eq!(refused.failed()["Code"], 400);
    }
}

//! Endpoints that take streams: half-close, both sides in turns, callers that go away, and time that is over.

use std::sync::Arc;

use bytes::Bytes;
use micro_sdk::{Context, Error, Service, Streaming, log};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::{core::frame, running::Running};

async fn sum(_: Context, mut numbers: Streaming<u64>) -> Result<u64, Error> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

async fn sums(_: Context, mut numbers: Streaming<u64>) -> Result<Streaming<u64>, Error> {
    Ok(Streaming::of(|sender| async move {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
            sender.send(sum).await?;
        }
        Ok(())
    }))
}

fn sums_service() -> Service {
    Service::new("sums")
        .client_stream("Sums.Add", sum)
        .bidi_stream("Sums.Follow", sums)
}

/// Says that it is dropped.
struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

async fn send_all(running: &Running, path: &str, messages: &[Value]) -> crate::running::Replied {
    let body: Vec<u8> = messages.iter().flat_map(frame).collect();
    running.send(path, "application/grpc+json", body.into(), &[]).await
}

#[tokio::test]
async fn all_requests_come_before_the_answer() {
    let running = Running::start(sums_service()).await;
    let numbers: Vec<Value> = (1..=1_000).map(Value::from).collect();
    for (messages, sum) in [(&numbers[..], 500_500), (&numbers[..1], 1), (&[], 0)] {
        assert_eq!(
            send_all(&running, "/sums.Sums/Add", messages).await.json(),
            [json!(sum)]
        );
    }
    let misread = send_all(&running, "/Sums/Add", &[json!(1), json!("x")]).await.failed();
    assert_eq!(
        (&misread["Code"], &misread["Id"]),
        (&json!(400), &json!("sums.Sums.Add"))
    );
    let cut = Bytes::from_static(b"\0\0\0\0\x09[1]");
    let cut = running.send("/Sums/Add", "application/grpc+json", cut, &[]).await;
    assert_eq!(cut.failed()["Code"], 400);
}

#[tokio::test]
async fn endpoints_say_which_side_streams() {
    let running = Running::start(sums_service()).await;
    let endpoints = running.core.know(|s| s.registered["sums"].0["endpoints"].clone());
    assert_eq!(endpoints[0]["metadata"], json!({ "requests": "stream" }));
    assert_eq!(endpoints[1]["metadata"], json!({ "stream": "true" }));
}

#[tokio::test]
async fn both_sides_speak_in_turns_until_one_has_said_everything() {
    let service = sums_service().handle("Sums.Try", |context: Context, _: Value| async move {
        let (numbers, asked) = Streaming::channel();
        let mut sums = context
            .call_bidi_stream::<u64, u64>("sums", "Sums.Follow", asked)
            .await?;
        let mut got = vec![];
        for number in [1, 2, 3] {
            numbers.send(number).await?;
            got.extend(sums.next().await.transpose()?);
        }
        drop(numbers);
        assert_eq!(sums.next().await, None);
        let all = Streaming::of(|sender| async move {
            for number in 0..10_000_u64 {
                sender.send(number).await?;
            }
            Ok(())
        });
        got.push(context.call_client_stream("sums", "Sums.Add", all).await?);
        Ok(got)
    });
    let running = Running::start(service).await;
    let got = running.ask("/Sums/Try", &json!({})).await.json();
    assert_eq!(got, [json!([1, 3, 6, 49_995_000])]);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_handler() {
    let (ended, mut has_ended) = mpsc::unbounded_channel();
    let service = Service::new("sums")
        .bidi_stream("Sums.Follow", move |_: Context, mut numbers: Streaming<u64>| {
            let guard = Dropped(ended.clone());
            async move {
                Ok(Streaming::<u64>::of(|sender| async move {
                    let _guard = guard;
                    while let Some(number) = numbers.next().await {
                        sender.send(number?).await?;
                    }
                    panic!("its caller has not said everything");
                }))
            }
        })
        .handle("Sums.Try", |context: Context, _: Value| async move {
            let (numbers, asked) = Streaming::channel();
            let mut sums = context
                .call_bidi_stream::<u64, u64>("sums", "Sums.Follow", asked)
                .await?;
            numbers.send(1).await?;
            let first = sums.next().await.transpose()?;
            drop(sums);
            // The other side hears of it although this one could go on.
            while numbers.send(2).await.is_ok() {}
            Ok(first)
        });
    let running = Running::start(service).await;
    assert_eq!(running.ask("/Sums/Try", &json!({})).await.json(), [json!(1)]);
    has_ended.recv().await.expect("dropped");
}

#[tokio::test]
async fn an_error_among_the_requests_cancels_the_call_and_is_its_outcome() {
    let (ended, mut has_ended) = mpsc::unbounded_channel();
    let arrived = Arc::new(Notify::new());
    let has_arrived = arrived.clone();
    let service = Service::new("sums")
        .client_stream("Sums.Add", move |_: Context, mut numbers: Streaming<u64>| {
            let (guard, arrived) = (Dropped(ended.clone()), arrived.clone());
            async move {
                let _guard = guard;
                while let Some(number) = numbers.next().await {
                    number?;
                    arrived.notify_one();
                }
                Err::<u64, _>(Error::internal("half of the numbers were taken for all"))
            }
        })
        .handle("Sums.Try", move |context: Context, _: Value| {
            let has_arrived = has_arrived.clone();
            let half = Streaming::<u64>::of(|sender| async move {
                sender.send(1).await?;
                has_arrived.notified().await;
                Err(Error::not_found("the other half"))
            });
            async move { context.call_client_stream::<_, u64>("sums", "Sums.Add", half).await }
        });
    let running = Running::start(service).await;
    let failed = running.ask("/Sums/Try", &json!({})).await.failed();
    assert_eq!(
        (&failed["Code"], &failed["Detail"]),
        (&json!(404), &json!("the other half"))
    );
    has_ended.recv().await.expect("dropped");
}

#[tokio::test]
async fn a_handler_has_the_time_that_its_caller_has() {
    let (ended, mut has_ended) = mpsc::unbounded_channel();
    let (one, many) = (ended.clone(), ended);
    let service = Service::new("slow")
        .handle("Slow.One", move |context: Context, _: Value| {
            let guard = Dropped(one.clone());
            async move {
                let _guard = guard;
                assert!(context.time_left().is_some());
                std::future::pending::<Result<(), Error>>().await
            }
        })
        .stream("Slow.Many", move |_: Context, _: Value| {
            let guard = Dropped(many.clone());
            async move {
                Ok(Streaming::of(|sender| async move {
                    let _guard = guard;
                    sender.send(1).await?;
                    std::future::pending().await
                }))
            }
        });
    let running = Running::start(service).await;
    for (path, messages) in [("/Slow/One", 0), ("/Slow/Many", 1)] {
        let headers = [("timeout", "50000000")];
        let late = running
            .send(path, "application/grpc+json", frame(&json!({})), &headers)
            .await;
        assert_eq!((late.messages.len(), late.status.as_str()), (messages, "4"), "{path}");
        assert_eq!(late.failed()["Code"], 408);
        has_ended.recv().await.expect("dropped");
    }
}

#[tokio::test]
async fn one_that_is_not_read_does_not_hold_up_the_others() {
    // More than what all streams of a connection could hold if each had the whole of it.
    let service = Service::new("floods")
        .stream("Floods.Flow", |_: Context, _: Value| async move {
            let water = Arc::new("x".repeat(64 << 10));
            Ok(Streaming::of(|sender| async move {
                while sender.send(String::clone(&water)).await.is_ok() {}
                Ok(())
            }))
        })
        .handle("Floods.Try", |context: Context, _: Value| async move {
            let mut open = vec![];
            for _ in 0..12 {
                let mut flow = context
                    .call_stream::<String>("floods", "Floods.Flow", &json!({}))
                    .await?;
                flow.next().await.transpose()?;
                open.push(flow);
            }
            context.store().write("still", &"there").await?;
            Ok(open.len())
        });
    let running = Running::start(service).await;
    assert_eq!(running.ask("/Floods/Try", &json!({})).await.json(), [json!(12)]);
}

#[tokio::test]
async fn lines_name_the_trace_of_the_request_they_were_written_for() {
    let service = Service::new("chatty")
        .handle("Chatty.One", |_: Context, _: Value| async move {
            log::info("one", &[]);
            Ok(())
        })
        .stream("Chatty.Many", |_: Context, _: Value| async move {
            Ok(Streaming::of(|sender| async move {
                log::info("many", &[]);
                sender.send(1).await
            }))
        });
    let running = Running::start(service).await;
    for path in ["/Chatty/One", "/Chatty/Many"] {
        let headers = [("micro-trace-id", "the-story-of-chatty")];
        let body = frame(&json!({}));
        running.send(path, "application/grpc+json", body, &headers).await.json();
    }
    let log = running.ask("/Debug/Log", &json!({ "count": "1000" })).await.json();
    let records = log[0]["records"].as_array().expect("lines").clone();
    let told: Vec<&str> = records
        .iter()
        .filter(|r| r["metadata"]["trace"] == "the-story-of-chatty")
        .filter_map(|r| r["message"].as_str())
        .collect();
    assert_eq!(
        told,
        ["trace=the-story-of-chatty one", "trace=the-story-of-chatty many"]
    );
}

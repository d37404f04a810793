//! Who ends which side of a stream when (reference/micro-wire §1.7). Micro's own client leaves its side of a server's
//! stream open; clients that were generated for gRPC close it with the request. Both are answered.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::FutureExt;
use micro_proto::{broker, config, events, registry, runtime, services, store};
use micro_rpc::{Codec, Message, MethodKind};

use crate::world::{Door, LIST, like_a_command, like_a_stream};

const PUBLISH: &str = "/events.Stream/Publish";
/// Packages of the local server; the others are the platform's.
const CORE: [&str; 8] = [
    "auth", "broker", "config", "debug", "events", "registry", "runtime", "store",
];

/// One way to ask for a stream.
struct Case {
    path: &'static str,
    request: Bytes,
    then: Then,
}

/// What comes of it.
enum Then {
    /// Messages, then the end.
    Ends,
    /// A message each time that this is called, and no end. The number is another each time.
    Tells(&'static str, Box<dyn Fn(u8) -> Bytes>),
    /// A refusal in these words.
    Refused(&'static str),
    /// An end, behind nothing or something.
    Over,
}

fn case(path: &'static str, request: &impl Message, then: Then) -> Case {
    Case {
        path,
        request: Codec::Proto.encode(request),
        then,
    }
}

fn tells(path: &'static str, request: &impl Message) -> Then {
    let request = Codec::Proto.encode(request);
    Then::Tells(path, Box::new(move |_| request.clone()))
}

fn cases() -> Vec<Case> {
    let topic = || "news".to_owned();
    let service = |number: u8| {
        Codec::Proto.encode(&registry::Service {
            name: format!("weather-{number}"),
            version: "1".into(),
            nodes: vec![registry::Node {
                id: "weather-1".into(),
                address: "127.0.0.1:9".into(),
                ..Default::default()
            }],
            ..Default::default()
        })
    };
    let said = broker::PublishRequest {
        topic: topic(),
        message: Some(broker::Message::default()),
    };
    let happened = events::PublishRequest {
        topic: topic(),
        payload: b"rain".to_vec(),
        ..Default::default()
    };
    let consume = events::ConsumeRequest {
        topic: topic(),
        auto_ack: true,
        ..Default::default()
    };
    let subscribe = broker::SubscribeRequest {
        topic: topic(),
        ..Default::default()
    };
    let set = |number: u8| {
        Codec::Proto.encode(&config::SetRequest {
            path: "a.b".into(),
            value: Some(config::Value {
                data: number.to_string(),
                ..Default::default()
            }),
            ..Default::default()
        })
    };
    let watch = config::WatchRequest {
        path: "a.b".into(),
        ..Default::default()
    };
    let blob = store::BlobReadRequest {
        key: "picture".into(),
        ..Default::default()
    };
    let fetch = store::FetchBlobRequest {
        key: "picture".into(),
        ..Default::default()
    };
    let logs = runtime::LogsRequest {
        service: "nosuch".into(),
        ..Default::default()
    };
    let releases = runtime::WatchRequest {
        service: "nosuch".into(),
        ..Default::default()
    };
    let build = runtime::Service::default();
    vec![
        case(
            "/broker.Broker/Subscribe",
            &subscribe,
            tells("/broker.Broker/Publish", &said),
        ),
        case(
            "/config.Watcher/Watch",
            &watch,
            Then::Tells("/config.Config/Set", Box::new(set)),
        ),
        case("/events.Stream/Consume", &consume, tells(PUBLISH, &happened)),
        case(
            "/registry.Registry/Watch",
            &registry::WatchRequest::default(),
            Then::Tells("/registry.Registry/Register", Box::new(service)),
        ),
        case("/runtime.Build/Read", &build, Then::Refused("")),
        case("/runtime.Releases/Watch", &releases, Then::Refused("not found")),
        case(
            "/runtime.Runtime/Logs",
            &logs,
            Then::Refused("Logs not found for service nosuch"),
        ),
        case("/store.BlobStore/Read", &blob, Then::Ends),
        case("/store.Blobs/Fetch", &fetch, Then::Ends),
        case("/store.Snapshots/Export", &store::ExportRequest::default(), Then::Over),
        case("/store.Store/List", &store::ListRequest::default(), Then::Ends),
    ]
}

async fn write_blob(door: &Door) -> Result<()> {
    let mut writing = door.dial(&like_a_stream("/store.BlobStore/Write")).await?;
    writing.send(part("picture")).await?;
    writing.half_close();
    writing.message().await?;
    Ok(())
}

fn part(key: &str) -> Bytes {
    Codec::Proto.encode(&store::BlobWriteRequest {
        key: key.into(),
        blob: b"colours".to_vec(),
        ..Default::default()
    })
}

async fn try_case(door: &Door, case: &Case, half_closed: bool) -> Result<()> {
    let mut open = door.dial(&like_a_stream(case.path)).await?;
    open.send(&case.request).await?;
    if half_closed {
        open.half_close();
    }
    match &case.then {
        Then::Ends => {
            open.message().await?;
            while let Some(more) = open.next().await? {
                more?;
            }
        }
        Then::Refused(words) => match open.next().await? {
            Some(Err(status)) => ensure!(status.to_string().contains(words), "{status}"),
            other => bail!("it was not refused: {other:?}"),
        },
        Then::Over => {
            while let Some(more) = open.next().await? {
                more?;
            }
        }
        Then::Tells(path, request) => {
            open.head().await?;
            for number in 0..2 {
                let request = request(number + if half_closed { 2 } else { 0 });
                let told = door.ask(&like_a_command(path), vec![request]).await?;
                ensure!(told.status.is_none(), "{path}: {:?}", told.status);
                open.message().await?;
            }
        }
    }
    Ok(())
}

#[test]
fn every_stream_of_a_core_service_is_tried() {
    let streams = services().filter(|s| CORE.contains(&s.package)).flat_map(|s| s.methods);
    let streams = streams.filter(|m| m.kind.streams_replies()).map(|m| m.path);
    let tried: BTreeSet<_> = cases().iter().map(|c| c.path).collect();
    assert_eq!(tried, streams.collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn a_servers_stream_flows_whether_its_client_closed_its_side_or_not() -> Result<()> {
    let door = Door::open().await?;
    write_blob(&door).await?;
    for case in cases() {
        for half_closed in [false, true] {
            let tried = try_case(&door, &case, half_closed).await;
            tried.with_context(|| format!("{} half-closed: {half_closed}", case.path))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_call_with_one_answer_does_not_wait_for_the_end_of_the_request() -> Result<()> {
    let door = Door::open().await?;
    let mut open = door.dial(&like_a_stream(LIST)).await?;
    open.send(b"").await?;
    open.message().await?;
    ensure!(open.next().await?.is_none(), "and it ends");
    Ok(())
}

#[tokio::test]
async fn a_clients_stream_is_answered_when_it_has_ended_and_a_wrong_one_at_once() -> Result<()> {
    let door = Door::open().await?;
    for path in ["/runtime.Source/Upload", "/store.BlobStore/Write"] {
        let (good, bad) = match path {
            "/store.BlobStore/Write" => (part("picture"), part("")),
            _ => (source("weather"), source("")),
        };
        let mut open = door.dial(&like_a_stream(path)).await?;
        open.send(&good).await?;
        // Another call there and back: the server had its time.
        door.ask(&like_a_command(LIST), vec![Bytes::new()]).await?;
        ensure!(open.next().now_or_never().is_none(), "{path}: more may come");
        open.half_close();
        open.message().await?;
        ensure!(open.next().await?.is_none(), "{path}: and it ends");

        let mut open = door.dial(&like_a_stream(path)).await?;
        open.send(&bad).await?;
        let refused = open.next().await?.context("an answer")?;
        ensure!(refused.is_err(), "{path}: before it ends");

        let mut open = door.dial(&like_a_stream(path)).await?;
        open.half_close();
        let refused = open.next().await?.context("an answer")?.expect_err("nothing was sent");
        ensure!(refused.to_string().contains("No blob was sent"), "{path}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn a_clients_stream_of_nothing_is_answered() -> Result<()> {
    let door = Door::open().await?;
    let core = services().filter(|s| CORE.contains(&s.package)).flat_map(|s| s.methods);
    for method in core.filter(|m| m.kind == MethodKind::ClientStream) {
        let mut open = door.dial(&like_a_stream(method.path)).await?;
        open.half_close();
        open.next()
            .await?
            .with_context(|| format!("{}: an answer", method.path))?
            .ok();
    }
    Ok(())
}

fn source(name: &str) -> Bytes {
    Codec::Proto.encode(&runtime::UploadRequest {
        service: Some(runtime::Service {
            name: name.into(),
            version: "latest".into(),
            ..Default::default()
        }),
        data: vec![0; 1024],
    })
}

/// The request direction carries another message type than the one it began with.
#[tokio::test]
async fn a_consumer_acknowledges_on_its_own_stream() -> Result<()> {
    let door = Door::open().await?;
    let mut open = door.dial(&like_a_stream("/events.Stream/Consume")).await?;
    let consume = events::ConsumeRequest {
        topic: "news".into(),
        group: "readers".into(),
        // What Go's client sends for "none given": seconds of its zero time, and no limit.
        offset: -62_135_596_800,
        ack_wait: 60_000_000_000,
        retry_limit: -1,
        ..Default::default()
    };
    open.send(Codec::Proto.encode(&consume)).await?;
    open.head().await?;
    for text in ["one", "two", "three"] {
        let event = events::PublishRequest {
            topic: "news".into(),
            payload: text.into(),
            ..Default::default()
        };
        door.tell::<events::PublishResponse>(PUBLISH, &event).await?;
        let heard: events::Event = Codec::Proto.decode(open.message().await?)?;
        ensure!(heard.payload == text.as_bytes(), "{heard:?}");
        let ack = events::AckRequest {
            id: heard.id,
            success: true,
        };
        open.send(Codec::Proto.encode(&ack)).await?;
    }
    Ok(())
}

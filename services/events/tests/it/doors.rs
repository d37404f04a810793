//! Who may call, what is refused, and where consumers begin.

use std::time::Duration;

use futures::StreamExt;
use micro_domain::{Limit, Limits};
use micro_proto::events::{ConsumeRequest, Event, ReadRequest, Store, Stream, WriteRequest};
use micro_tenancy::{Caller, Principal};
use micro_testkit::{authority, principal};
use time::Duration as Span;

use crate::world::{World, acknowledging, event, from_the_start, owner, text, words};

#[tokio::test]
async fn every_call_needs_an_administrator_of_the_namespace() {
    let world = World::new();
    let nobody = Caller::anonymous();
    let refused = |method: &str| {
        (
            format!("events.Stream.{method}"),
            401,
            "An account is required".to_owned(),
        )
    };
    assert_eq!(words(world.publish(&nobody, "t", "a").await), refused("Publish"));
    assert_eq!(
        words(world.consume(&nobody, from_the_start("t", "")).await),
        refused("Consume")
    );
    let guest = authority().verified(Principal {
        scopes: vec![],
        ..principal("ada-ns", "guest")
    });
    assert_eq!(words(world.publish(&guest, "t", "a").await).1, 401);
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named_as_upstream_does() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let missing = |method: &str| (format!("events.{method}"), 400, "Missing topic".to_owned());
    assert_eq!(words(world.publish(&ada, "", "a").await), missing("Stream.Publish"));
    assert_eq!(
        words(world.consume(&ada, from_the_start("", "")).await),
        missing("Stream.Consume")
    );
    assert_eq!(
        words(world.events.read(&ada, ReadRequest::default()).await),
        missing("Store.Read")
    );
    let (_, code, detail) = words(world.consume(&ada, acknowledging("t", "", 0, -1)).await);
    assert_eq!(
        (code, detail.as_str()),
        (500, "invalid AckWait passed, should be positive integer")
    );
    assert_eq!(
        words(world.events.write(&ada, WriteRequest::default()).await),
        missing("Store.Write")
    );
    assert_eq!(
        words(world.events.consume(&ada, acknowledging("t", "g", 1, -1)).await).1,
        400,
        "no way to acknowledge"
    );
    assert_eq!(words(world.publish(&ada, "a\u{1}b", "a").await).1, 400);
}

#[tokio::test]
async fn limits_are_exact_and_named() {
    let limits = Limits {
        topics: Limit { name: "topics", max: 1 },
        message_bytes: Limit {
            name: "message.bytes",
            max: 2,
        },
        subscribers: Limit {
            name: "subscribers",
            max: 1,
        },
        ..Limits::DEVELOPER
    };
    let (world, ada) = (World::with(limits), owner("ada-ns"));
    world.publish(&ada, "t", "ab").await.expect("at the limits");
    assert_eq!(words(world.publish(&ada, "t", "abc").await).0, "limits.message.bytes");
    assert_eq!(words(world.publish(&ada, "u", "a").await).0, "limits.topics");
    world
        .publish(&owner("bobs-ns"), "u", "a")
        .await
        .expect("another namespace's own");
    let consumer = world.consume(&ada, from_the_start("t", "")).await.expect("the first");
    assert_eq!(
        words(world.consume(&ada, from_the_start("t", "")).await).0,
        "limits.subscribers"
    );
    drop(consumer);
    assert!(world.consume(&ada, from_the_start("t", "")).await.is_ok());
}

#[tokio::test]
async fn an_event_that_is_written_keeps_its_id_and_its_time_and_is_consumed_like_all() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let event = Event {
        id: "own".into(),
        topic: "t".into(),
        payload: "a".into(),
        timestamp: 7,
        ..Default::default()
    };
    let request = WriteRequest {
        event: Some(event.clone()),
        ttl: 0,
    };
    world.events.write(&ada, request.clone()).await.expect("written");
    assert_eq!(world.read(&ada, "t").await, std::slice::from_ref(&event));
    let mut consumer = world.consume(&ada, from_the_start("t", "g")).await.expect("own");
    assert_eq!(consumer.next().await, event);
    let short = WriteRequest { ttl: 60, ..request };
    assert_eq!(
        words(world.events.write(&ada, short).await).1,
        400,
        "not for a while only"
    );
}

#[tokio::test(start_paused = true)]
async fn a_consumer_begins_now_or_at_a_time_or_at_a_number() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish(&ada, "t", "early").await.expect("own");
    world.clock.advance(Span::HOUR);
    let then = micro_clock::Clock::now(&world.clock).unix_timestamp();
    world.publish_all(&ada, "t", &["middle", "late"]).await;
    let begin = |offset, number| ConsumeRequest {
        offset,
        number,
        ..from_the_start("t", "")
    };
    let mut now = world
        .consume(&ada, begin(-62_135_596_800, None))
        .await
        .expect("as Go's zero time");
    world.publish(&ada, "t", "new").await.expect("own");
    assert_eq!(now.text().await, "new");
    assert_eq!(
        world.consume(&ada, begin(then, None)).await.expect("own").text().await,
        "middle"
    );
    assert_eq!(
        world
            .consume(&ada, begin(then, Some(2)))
            .await
            .expect("own")
            .text()
            .await,
        "late"
    );
    assert_eq!(
        world.consume(&ada, begin(0, Some(0))).await.expect("own").text().await,
        "early"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_no_group_gets_everything_however_slowly_and_slows_nobody() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let mut slow = world.consume(&ada, from_the_start("t", "")).await.expect("own");
    let mut quick = world.consume(&ada, from_the_start("t", "")).await.expect("own");
    for n in 0..3_000 {
        world.publish(&ada, "t", &n.to_string()).await.expect("never waits");
        assert_eq!(quick.text().await, n.to_string());
    }
    for n in 0..3_000 {
        assert_eq!(slow.text().await, n.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_group_an_event_comes_again_until_its_limit() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b"]).await;
    let mut alone = world
        .consume(&ada, acknowledging("t", "", 1_000, 1))
        .await
        .expect("own");
    assert_eq!(
        (alone.refuse().await.as_str(), alone.refuse().await.as_str()),
        ("a", "a")
    );
    assert_eq!(alone.done().await, "b");
    assert!(alone.is_quiet(Duration::from_secs(3_600)).await);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_acknowledges_no_more_is_done() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let consumer = world
        .consume(&ada, acknowledging("t", "g", 1_000, -1))
        .await
        .expect("own");
    let rest: Vec<_> = consumer.half_close().collect().await;
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn the_store_pages_from_the_oldest_and_says_what_the_publisher_said() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    for n in 0..260 {
        let mut request = event("t", &n.to_string());
        request.timestamp = 1_000 + n;
        request.metadata = [("n".into(), n.to_string())].into();
        world.events.publish(&ada, request).await.expect("own");
    }
    let page = |limit, offset| ReadRequest {
        topic: "t".into(),
        limit,
        offset,
    };
    let read = async |limit, offset| world.events.read(&ada, page(limit, offset)).await.expect("own").events;
    assert_eq!(read(0, 0).await.len(), 250, "by default");
    assert_eq!(read(0, 250).await.len(), 10);
    let [event] = &read(1, 7).await[..] else { panic!("one") };
    let Event {
        metadata, timestamp, ..
    } = event;
    assert_eq!(
        (text(event).as_str(), metadata["n"].as_str(), *timestamp),
        ("7", "7", 1_007)
    );
    assert_eq!(uuid_version(&event.id), Some('7'));
}

fn uuid_version(id: &str) -> Option<char> {
    id.chars().nth(14)
}

//! A producer's event is published once, whatever goes wrong in between.

use futures::future::join_all;
use micro_error::Error;
use micro_proto::events::{PublishRequest, PublishResponse, Stream};
use time::Duration;

use crate::world::{World, event, owner, text, words};

async fn publish(world: &World, sequence: u64, payload: &str) -> Result<PublishResponse, Error> {
    let request = PublishRequest {
        producer: "till-7".into(),
        sequence,
        ..event("t", payload)
    };
    world.events.publish(&owner("ada-ns"), request).await
}

async fn texts(world: &World) -> Vec<String> {
    world.read(&owner("ada-ns"), "t").await.iter().map(text).collect()
}

#[tokio::test]
async fn the_same_sequence_is_published_once_even_at_once_and_after_a_restart() {
    let world = World::new();
    let tries = join_all((0..20).map(|_| publish(&world, 1, "a"))).await;
    let tries: Vec<_> = tries.into_iter().map(|tried| tried.expect("published")).collect();
    assert_eq!(tries.iter().filter(|tried| !tried.duplicate).count(), 1);
    assert!(tries.iter().all(|tried| tried.id == tries[0].id));
    let again = publish(&world.another(), 1, "a").await.expect("known");
    assert!(again.duplicate && again.id == tries[0].id);
    assert!(!publish(&world, 2, "b").await.expect("the next").duplicate);
    assert!(publish(&world, 1, "a").await.expect("known").duplicate);
    assert_eq!(texts(&world).await, ["a", "b"]);
}

#[tokio::test]
async fn producers_and_topics_and_namespaces_count_for_themselves() {
    let world = World::new();
    publish(&world, 1, "a").await.expect("published");
    for (namespace, topic, producer) in [
        ("ada-ns", "t", "till-8"),
        ("ada-ns", "u", "till-7"),
        ("bobs-ns", "t", "till-7"),
    ] {
        let request = PublishRequest {
            producer: producer.into(),
            sequence: 1,
            ..event(topic, "own")
        };
        let published = world
            .events
            .publish(&owner(namespace), request)
            .await
            .expect("published");
        assert!(!published.duplicate, "{namespace} {topic} {producer}");
    }
}

#[tokio::test]
async fn a_sequence_counts_from_one() {
    let (_, code, detail) = words(publish(&World::new(), 0, "a").await);
    assert_eq!((code, detail.as_str()), (400, "a producer's sequence counts from 1"));
}

#[tokio::test]
async fn a_producer_is_remembered_as_long_as_events_are_kept() {
    let world = World::new();
    publish(&world, 7, "a").await.expect("published");
    world.clock.advance(Duration::days(6));
    assert!(publish(&world, 7, "a").await.expect("known").duplicate);
    world.clock.advance(Duration::days(2));
    assert!(!publish(&world.another(), 7, "a").await.expect("forgotten").duplicate);
}

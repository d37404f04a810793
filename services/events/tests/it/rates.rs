//! How much a namespace may publish in a while.

use micro_domain::{Limit, Limits};
use micro_proto::events::{Event, Store, WriteRequest};
use time::Duration;

use crate::world::{World, owner, words};

fn ten_a_second() -> World {
    World::with(Limits {
        events_per_second: Limit {
            name: "events.per_second",
            max: 10,
        },
        ..Limits::DEVELOPER
    })
}

#[tokio::test]
async fn a_burst_of_ten_seconds_passes_and_one_more_is_refused_and_changes_nothing() {
    let (world, ada) = (ten_a_second(), owner("ada-ns"));
    for n in 0..100 {
        world
            .publish(&ada, "t", "x")
            .await
            .unwrap_or_else(|e| panic!("{n}: {e}"));
    }
    let (id, code, detail) = words(world.publish(&ada, "t", "x").await);
    assert_eq!((id.as_str(), code), ("limits.events.per_second", 429));
    assert_eq!(
        detail,
        "This namespace publishes more than 10 events a second (events.per_second): try again in 1 s"
    );
    assert_eq!(words(world.publish(&ada, "another", "x").await).1, 429, "of all topics");
    let event = Event {
        topic: "t".into(),
        ..Default::default()
    };
    let written = WriteRequest {
        event: Some(event),
        ttl: 0,
    };
    assert_eq!(
        words(world.events.write(&ada, written).await).1,
        429,
        "however it is published"
    );
    assert_eq!(world.read(&ada, "t").await.len(), 100);
    world
        .publish(&owner("bobs-ns"), "t", "x")
        .await
        .expect("everybody's own");
    world.clock.advance(Duration::milliseconds(100));
    world.publish(&ada, "t", "x").await.expect("one came back");
    assert_eq!(words(world.publish(&ada, "t", "x").await).1, 429);
}

#[tokio::test]
async fn replicas_count_together() {
    let (one, ada) = (ten_a_second(), owner("ada-ns"));
    let two = one.another();
    let mut passed = 0;
    for world in [&one, &two].into_iter().cycle().take(200) {
        passed += usize::from(world.publish(&ada, "t", "x").await.is_ok());
    }
    assert_eq!(passed, 100);
}

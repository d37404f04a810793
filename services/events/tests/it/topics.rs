//! Which topics there are: counted exactly, listed, forgotten.

use futures::future::join_all;
use micro_domain::{Limit, Limits};
use micro_proto::events::{DeleteTopicRequest, Groups, ListGroupsRequest, ListTopicsRequest, Topic, Topics};
use micro_tenancy::{Caller, Reports};
use micro_testkit::tenant;

use crate::world::{World, acknowledging, from_the_start, owner, text, words};

impl World {
    async fn topics(&self, caller: &Caller, prefix: &str) -> Vec<Topic> {
        let request = ListTopicsRequest { prefix: prefix.into() };
        Topics::list(&self.events, caller, request).await.expect("own").topics
    }

    async fn delete_topic(&self, caller: &Caller, topic: &str) -> Result<(), micro_error::Error> {
        let request = DeleteTopicRequest { topic: topic.into() };
        Topics::delete(&self.events, caller, request).await.map(drop)
    }
}

fn few(max: u64) -> World {
    World::with(Limits {
        topics: Limit { name: "topics", max },
        ..Limits::DEVELOPER
    })
}

#[tokio::test]
async fn as_many_as_allowed_however_many_begin_at_once() {
    let (world, ada) = (few(5), owner("ada-ns"));
    let two = world.another();
    let names: Vec<_> = (0..20).map(|n| format!("t{n}")).collect();
    let both = [&world, &two];
    let begun = names
        .iter()
        .enumerate()
        .map(|(n, name)| both[n % 2].publish(&ada, name, "x"));
    let begun = join_all(begun).await;
    assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 5);
    let used = world.events.usage(&tenant("ada-ns")).await.expect("counted");
    assert_eq!((used[0].limit.name, used[0].used), ("topics", 5));
    let (id, code, detail) = words(world.publish(&ada, "more", "x").await);
    assert_eq!((id.as_str(), code), ("limits.topics", 429));
    assert!(detail.contains("5 topics: 5 in use"), "{detail}");
    let there = &world.topics(&ada, "").await[0].name;
    world.delete_topic(&ada, there).await.expect("nobody consumes it");
    world.publish(&ada, "more", "x").await.expect("room again");
    assert!(two.publish(&ada, "one-more", "x").await.is_err());
}

#[tokio::test]
async fn topics_are_listed_with_what_they_hold_and_who_shares_them() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "orders", &["0", "1"]).await;
    world.publish(&ada, "other", "0").await.expect("own");
    world.publish(&owner("bobs-ns"), "orders/bob", "0").await.expect("own");
    let mut worker = world
        .consume(&ada, acknowledging("orders", "billing", 60_000, -1))
        .await
        .expect("own");
    assert_eq!(worker.done().await, "0");
    let topic = |name: &str, next, groups| Topic {
        name: name.into(),
        oldest: 0,
        next,
        groups,
    };
    assert_eq!(
        world.topics(&ada, "").await,
        [topic("orders", 2, 1), topic("other", 1, 0)]
    );
    assert_eq!(world.topics(&ada, "ot").await, [topic("other", 1, 0)]);
}

#[tokio::test]
async fn what_is_forgotten_is_gone_and_its_numbers_go_on() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["0", "1"]).await;
    let mut worker = world
        .consume(&ada, acknowledging("t", "g", 60_000, 0))
        .await
        .expect("own");
    assert_eq!(worker.refuse().await, "0");
    worker.next().await;
    assert_eq!(
        words(world.delete_topic(&ada, "t").await).1,
        409,
        "somebody consumes it"
    );
    assert_eq!(words(world.delete_topic(&owner("bobs-ns"), "t").await).1, 404);
    drop(worker);
    while world.delete_topic(&ada, "t").await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(world.topics(&ada, "").await.is_empty() && world.read(&ada, "t").await.is_empty());
    assert!(world.dead_letters(&ada, "t", "g").await.is_empty());
    let groups = Groups::list(&world.events, &ada, ListGroupsRequest::default())
        .await
        .expect("own")
        .groups;
    assert!(groups.is_empty(), "{groups:?}");
    world.publish(&ada, "t", "new").await.expect("begun again");
    let mut consumer = world.consume(&ada, from_the_start("t", "")).await.expect("own");
    let event = consumer.next().await;
    assert_eq!((text(&event).as_str(), event.number), ("new", 2));
}

#[tokio::test]
async fn a_replica_learns_within_seconds_that_a_topic_is_gone() {
    let (one, ada) = (World::replica(), owner("ada-ns"));
    let two = one.another();
    two.publish(&ada, "t", "0").await.expect("own");
    one.delete_topic(&ada, "t").await.expect("nobody consumes it");
    two.clock.advance(time::Duration::seconds(5));
    two.publish(&ada, "t", "1").await.expect("begun again");
    assert_eq!(one.topics(&ada, "").await.len(), 1);
}

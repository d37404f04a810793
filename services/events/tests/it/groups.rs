//! Members of a group share a topic, in order.

use std::{collections::BTreeSet, time::Duration};

use futures::{FutureExt, StreamExt, future::join_all};
use micro_domain::{Limit, Limits};
use micro_proto::events::{DeleteGroupRequest, Groups, ListGroupsRequest, SeekRequest};
use micro_tenancy::Reports;
use micro_testkit::{eventually, tenant};

use crate::world::{World, acknowledging, from_the_start, owner, words};

const LONG: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(start_paused = true)]
async fn one_member_gets_each_event() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let mut one = world.consume(&ada, from_the_start("t", "g")).await.expect("own");
    let mut two = world.consume(&ada, from_the_start("t", "g")).await.expect("own");
    let mut other = world.consume(&ada, from_the_start("t", "h")).await.expect("own");
    let sent: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for payload in &sent {
        world.publish(&ada, "t", payload).await.expect("own");
    }
    let mut got = BTreeSet::new();
    while got.len() < sent.len() {
        let payload = tokio::select! {
            payload = one.text() => payload,
            payload = two.text() => payload,
        };
        assert!(got.insert(payload), "once");
    }
    assert!(one.is_quiet(LONG).await && two.is_quiet(LONG).await);
    for payload in &sent {
        assert_eq!(&other.text().await, payload, "another group gets them all, in order");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_read_holds_nothing_back() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let mut stuck = world.consume(&ada, from_the_start("t", "g")).await.expect("own");
    assert!(stuck.events.next().now_or_never().is_none(), "it has asked once");
    let mut reads = world.consume(&ada, from_the_start("t", "g")).await.expect("own");
    world.publish_all(&ada, "t", &["a", "b", "c"]).await;
    for payload in ["a", "b", "c"] {
        assert_eq!(reads.text().await, payload);
    }
}

#[tokio::test(start_paused = true)]
async fn the_group_waits_for_an_acknowledgement_before_it_goes_on() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b"]).await;
    let mut one = world
        .consume(&ada, acknowledging("t", "g", 10_000, -1))
        .await
        .expect("own");
    let mut two = world
        .consume(&ada, acknowledging("t", "g", 10_000, -1))
        .await
        .expect("own");
    let first = one.next().await;
    assert!(
        two.is_quiet(Duration::from_secs(9)).await,
        "in order means one at a time"
    );
    one.acknowledge(&first.id, true);
    let payload = tokio::select! {
        payload = one.text() => payload,
        payload = two.text() => payload,
    };
    assert_eq!(payload, "b");
}

#[tokio::test(start_paused = true)]
async fn silence_and_refusal_bring_an_event_again_after_the_wait_and_for_ever_without_a_limit() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b"]).await;
    let mut worker = world
        .consume(&ada, acknowledging("t", "g", 1_000, -1))
        .await
        .expect("own");
    let began = tokio::time::Instant::now();
    assert_eq!(worker.text().await, "a");
    assert!(began.elapsed() < Duration::from_secs(1), "the first time at once");
    for n in 1..50 {
        assert_eq!(worker.refuse().await, "a");
        assert!(began.elapsed() >= Duration::from_secs(n));
    }
    assert_eq!(worker.done().await, "a");
    assert_eq!(worker.done().await, "b");
}

#[tokio::test(start_paused = true)]
async fn what_a_leaving_member_held_goes_to_another_at_once() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish(&ada, "t", "a").await.expect("own");
    let mut leaves = world
        .consume(&ada, acknowledging("t", "g", 3_600_000, -1))
        .await
        .expect("own");
    assert_eq!(leaves.text().await, "a");
    let mut stays = world
        .consume(&ada, acknowledging("t", "g", 3_600_000, -1))
        .await
        .expect("own");
    let began = tokio::time::Instant::now();
    drop(leaves);
    assert_eq!(stays.done().await, "a");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_late_acknowledgement_counts_and_a_strangers_does_not() {
    let world = World::new();
    let (ada, bob) = (owner("ada-ns"), owner("bobs-ns"));
    for caller in [&ada, &bob] {
        world.publish_all(caller, "t", &["a", "b"]).await;
    }
    let mut hers = world
        .consume(&ada, acknowledging("t", "g", 1_000, -1))
        .await
        .expect("own");
    let mut his = world
        .consume(&bob, acknowledging("t", "g", 1_000, -1))
        .await
        .expect("own");
    let (event, _his) = (hers.next().await, his.next().await);
    his.acknowledge(&event.id, true);
    assert_eq!(his.text().await, "a", "it was not his");
    assert_eq!(hers.next().await.id, event.id, "nobody acknowledged it");
    hers.acknowledge(&event.id, true);
    assert_eq!(hers.text().await, "b");
}

#[tokio::test(start_paused = true)]
async fn a_group_resumes_where_it_was_and_not_where_a_member_says() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b", "c"]).await;
    let mut worker = world.consume(&ada, from_the_start("t", "g")).await.expect("own");
    assert_eq!((worker.text().await.as_str(), worker.text().await.as_str()), ("a", "b"));
    drop(worker);
    let mut worker = world.consume(&ada, from_the_start("t", "g")).await.expect("own");
    assert_eq!(worker.text().await, "c");
    drop(worker);
    world.publish(&ada, "t", "while nobody was there").await.expect("own");
    let mut worker = world
        .another()
        .consume(&ada, from_the_start("t", "g"))
        .await
        .expect("own");
    let next = worker.text().await;
    assert!(
        ["c", "while nobody was there"].contains(&next.as_str()),
        "{next}: at least once"
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_outlive_a_restart() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["poison", "b"]).await;
    let mut server = world;
    for tried in 1..=3 {
        let mut worker = server
            .consume(&ada, acknowledging("t", "g", 1_000, 2))
            .await
            .expect("own");
        assert_eq!(worker.text().await, "poison");
        drop(worker);
        let written = || async {
            let asked = ListGroupsRequest { topic: "t".into() };
            let groups = server.events.list(&ada, asked).await.expect("own").groups;
            groups[0].attempts == tried || groups[0].number == 1
        };
        eventually("written down", LONG, written).await;
        server = server.another();
    }
    let mut worker = server
        .consume(&ada, acknowledging("t", "g", 1_000, 2))
        .await
        .expect("own");
    assert_eq!(worker.text().await, "b", "it was tried three times");
    assert_eq!(server.dead_letters(&ada, "t", "g").await[0].attempts, 3);
}

#[tokio::test(start_paused = true)]
async fn a_group_can_be_sent_back_while_it_works_and_forgotten_when_it_does_not() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    world.publish_all(&ada, "t", &["a", "b"]).await;
    let mut worker = world
        .consume(&ada, acknowledging("t", "g", 60_000, -1))
        .await
        .expect("own");
    assert_eq!((worker.done().await.as_str(), worker.done().await.as_str()), ("a", "b"));
    let back = |group: &str| SeekRequest {
        topic: "t".into(),
        group: group.into(),
        offset: 0,
        number: Some(0),
    };
    world.events.seek(&ada, back("g")).await.expect("own");
    let again = worker.next().await;
    assert!(again.number < 2, "sent back");
    assert_eq!(words(world.events.seek(&ada, back("nobody")).await).1, 404);
    assert_eq!(words(world.events.seek(&owner("bobs-ns"), back("g")).await).1, 404);

    let group = || DeleteGroupRequest {
        topic: "t".into(),
        group: "g".into(),
    };
    assert_eq!(words(world.events.delete(&ada, group()).await).1, 409);
    drop(worker);
    eventually("forgotten", LONG, || async {
        world.events.delete(&ada, group()).await.is_ok()
    })
    .await;
    assert_eq!(words(world.events.seek(&ada, back("g")).await).1, 404);
}

#[tokio::test]
async fn a_namespace_has_so_many_groups_and_no_more() {
    let groups = Limit {
        max: 2,
        ..Limits::DEVELOPER.groups
    };
    let (world, ada) = (
        World::with(Limits {
            groups,
            ..Limits::DEVELOPER
        }),
        owner("ada-ns"),
    );
    for (topic, group) in [("t", "one"), ("u", "two"), ("t", "one")] {
        world.publish(&ada, topic, "x").await.expect("own");
        let member = world.consume(&ada, from_the_start(topic, group)).await;
        assert!(member.is_ok(), "{topic} {group}");
    }
    let (id, code, detail) = words(world.consume(&ada, from_the_start("t", "three")).await);
    assert_eq!((id.as_str(), code), ("limits.groups", 429));
    assert!(detail.contains("its limit of 2 groups: 2 in use"), "{detail}");
    let used = world.events.usage(&tenant("ada-ns")).await.expect("counted");
    assert!(used.iter().any(|u| u.limit.name == "groups" && u.used == 2), "{used:?}");
    let others = world.consume(&owner("bobs-ns"), from_the_start("t", "three")).await;
    assert!(others.is_ok(), "each namespace has its own limit");
}

#[tokio::test]
async fn groups_that_begin_at_once_are_no_more_than_allowed() {
    let groups = Limit {
        max: 3,
        ..Limits::DEVELOPER.groups
    };
    let world = World::with(Limits {
        groups,
        ..Limits::DEVELOPER
    });
    let ada = owner("ada-ns");
    world.publish(&ada, "t", "x").await.expect("own");
    let names: Vec<_> = (0..12).map(|n| format!("g{n}")).collect();
    let begun = names.iter().map(|name| world.consume(&ada, from_the_start("t", name)));
    let begun = join_all(begun).await;
    assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 3);
}

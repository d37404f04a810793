//! Being told.

use futures::{FutureExt, StreamExt};
use micro_proto::registry::{ListRequest, Options, Registry, Result as Event, Service, WatchRequest};
use micro_rpc::{
    Streaming,
    mesh::{Registrations, Routes},
};
use micro_tenancy::Caller;
use time::Duration;

use crate::world::{World, greeter, namespace_of, words};

async fn next(events: &mut Streaming<Event>) -> Event {
    events.next().await.expect("it never ends").expect("no error")
}

/// What happened to which version, and how many nodes it has.
fn said(event: &Event) -> (&str, &str, usize) {
    let service = event.service.as_ref().expect("the service");
    (event.action.as_str(), service.version.as_str(), service.nodes.len())
}

/// All that is told without waiting.
fn now(events: &mut Streaming<Event>) -> Vec<Event> {
    std::iter::from_fn(|| events.next().now_or_never())
        .map(|event| event.expect("it never ends").expect("no error"))
        .collect()
}

fn actions(events: &[Event]) -> Vec<String> {
    let said = |e: &Event| {
        let version = e.service.as_ref().map_or("", |s| s.version.as_str());
        format!("{} {version}", e.action)
    };
    events.iter().map(said).collect()
}

async fn watch_as(caller: &Caller, world: &World, domain: &str, service: &str, revision: &str) -> Streaming<Event> {
    let request = WatchRequest {
        service: service.into(),
        options: Some(Options {
            domain: domain.into(),
            ttl: 0,
        }),
        revision: revision.into(),
    };
    world.registry.watch(caller, request).await.expect("own")
}

async fn watch(world: &World, namespace: &str, revision: &str) -> Streaming<Event> {
    watch_as(&world.owner(namespace), world, "", "", revision).await
}

async fn revision(world: &World, namespace: &str) -> String {
    let listed = world
        .registry
        .list_services(&world.owner(namespace), ListRequest::default())
        .await;
    listed.expect("own").revision
}

async fn register(world: &World, door: &Caller, version: &str, node: &str) {
    world
        .register(door, greeter(version, node, 4711))
        .await
        .expect("an instance may");
}

#[tokio::test]
async fn a_watcher_is_told_what_comes_changes_and_goes() {
    let world = World::platform();
    let mut events = watch(&world, "ada-ns", "").await;
    let ((first, door), (_, second)) = (world.instance("ada-ns"), world.instance("ada-ns"));
    register(&world, &door, "v1", "greeter-1").await;
    assert_eq!(said(&next(&mut events).await), ("create", "v1", 1));
    register(&world, &door, "v1", "greeter-1").await;
    register(&world, &second, "v1", "greeter-2").await;
    assert_eq!(
        said(&next(&mut events).await),
        ("update", "v1", 2),
        "a renewal is no news"
    );
    world.registry.forget(first);
    assert_eq!(said(&next(&mut events).await), ("update", "v1", 1));
    world.clock.advance(Duration::seconds(90));
    world.registry.end_leases().await;
    assert_eq!(next(&mut events).await.action, "delete");
}

#[tokio::test]
async fn a_watch_is_woken_by_news() {
    let world = World::platform();
    let mut events = watch(&world, "ada-ns", "").await;
    let waiting = tokio::spawn(async move { next(&mut events).await });
    tokio::task::yield_now().await;
    let (_, door) = world.instance("ada-ns");
    register(&world, &door, "v1", "greeter-1").await;
    assert_eq!(said(&waiting.await.expect("no panic")), ("create", "v1", 1));
}

#[tokio::test]
async fn a_watch_without_a_revision_begins_with_what_there_is() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    for version in ["v2", "v1"] {
        register(&world, &door, version, "greeter-1").await;
    }
    let mut events = watch(&world, "ada-ns", "").await;
    let told = now(&mut events);
    assert_eq!(
        actions(&told),
        ["create v2", "create v1"],
        "in the order of their revisions"
    );
    assert_eq!(told[1].revision, revision(&world, "ada-ns").await);
    register(&world, &door, "v3", "greeter-1").await;
    assert_eq!(
        actions(&now(&mut events)),
        ["create v3"],
        "and goes on from there, once"
    );
}

#[tokio::test]
async fn a_watch_goes_on_from_a_revision_and_misses_nothing() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    register(&world, &door, "v1", "greeter-1").await;
    let from = revision(&world, "ada-ns").await;
    let mut unbroken = watch(&world, "ada-ns", &from).await;
    assert!(now(&mut unbroken).is_empty(), "nothing has changed since");
    register(&world, &door, "v2", "greeter-1").await;
    world
        .registry
        .deregister(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("its own");
    register(&world, &door, "v3", "greeter-1").await;
    let all = now(&mut unbroken);
    assert_eq!(actions(&all), ["create v2", "delete v1", "create v3"]);
    // However often it breaks off: what is told again has the revision it had.
    for (seen, event) in all.iter().enumerate() {
        let again = now(&mut watch(&world, "ada-ns", &event.revision).await);
        assert_eq!(again, all[seen + 1..], "after {}", event.revision);
    }
}

#[tokio::test]
async fn a_revision_that_is_not_known_is_answered_with_all_there_is() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    register(&world, &door, "v1", "greeter-1").await;
    let old = revision(&world, "ada-ns").await;
    register(&world, &door, "v2", "greeter-1").await;
    let whole = ["resync ", "create v1", "create v2"];
    for unknown in ["1", "x-1", "-", "💥", old.replace("-1", "-9").as_str()] {
        let told = now(&mut watch(&world, "ada-ns", unknown).await);
        assert_eq!(actions(&told), whole, "{unknown}");
        assert_eq!(told[0].revision, "", "there is nothing to go on from yet");
    }
    // Too long ago.
    world.clock.advance(Duration::minutes(16));
    register(&world, &door, "v1", "greeter-1").await;
    register(&world, &door, "v2", "greeter-1").await;
    world.registry.end_leases().await;
    let told = now(&mut watch(&world, "ada-ns", &old).await);
    assert_eq!(actions(&told), whole);
    let head = revision(&world, "ada-ns").await;
    assert!(
        now(&mut watch(&world, "ada-ns", &head).await).is_empty(),
        "the last one stays known"
    );
}

#[tokio::test]
async fn a_restart_resynchronises_whoever_watched_before() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    for version in ["v1", "v2"] {
        register(&world, &door, version, "greeter-1").await;
    }
    let before = revision(&world, "ada-ns").await;
    let world = world.restarted();
    world.registry.load().await.expect("read");
    let told = now(&mut watch(&world, "ada-ns", &before).await);
    assert_eq!(actions(&told), ["resync ", "create v1", "create v2"]);
    assert_ne!(
        told[1].revision, told[2].revision,
        "a client can go on from either of them"
    );
    let rest = now(&mut watch(&world, "ada-ns", &told[1].revision).await);
    assert!(
        actions(&rest).contains(&"create v2".to_owned()),
        "and is told the rest: {rest:?}"
    );
}

#[tokio::test]
async fn a_watcher_that_falls_behind_is_told_the_difference_and_nobody_waits_for_it() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    for version in ["goes", "stays", "changes"] {
        register(&world, &door, version, "greeter-1").await;
    }
    let mut events = watch(&world, "ada-ns", "").await;
    assert_eq!(now(&mut events).len(), 3);
    let known = revision(&world, "ada-ns").await;
    let mut resumed = watch(&world, "ada-ns", &known).await;
    world
        .registry
        .deregister(&door, greeter("goes", "greeter-1", 4711))
        .await
        .expect("its own");
    register(&world, &door, "comes", "greeter-1").await;
    // Begun when some of it was history already.
    let mut late = watch(&world, "ada-ns", &known).await;
    for n in 0..400 {
        let node = format!("greeter-{}", n % 3);
        world
            .register(&door, greeter("changes", &node, 4_000 + n))
            .await
            .expect("an instance may");
    }
    for events in [&mut events, &mut resumed, &mut late] {
        let told = now(events);
        assert_eq!(actions(&told), ["delete goes", "create comes", "update changes"]);
        assert_eq!(told[0].revision, "", "more may be gone");
        assert_eq!(said(&told[2]).2, 3);
        register(&world, &door, "changes", "greeter-9").await;
        let told = now(events);
        assert_eq!(actions(&told), ["update changes"], "and goes on from there");
        world
            .registry
            .deregister(&door, greeter("changes", "greeter-9", 4711))
            .await
            .expect("its own");
        now(events);
    }
}

#[tokio::test]
async fn a_watcher_hears_of_its_own_namespace_and_service_only() {
    let world = World::platform();
    let ((_, door), (_, neighbour)) = (world.instance("ada-ns"), world.instance("bobs-ns"));
    register(&world, &neighbour, "theirs", "greeter-1").await;
    let theirs = revision(&world, "bobs-ns").await;
    let mut events = watch_as(&world.owner("ada-ns"), &world, "", "greeter", "").await;
    let mut borrowed = watch(&world, "ada-ns", &theirs).await;
    let other = Service {
        name: "other".into(),
        ..greeter("v1", "n", 4711)
    };
    world.register(&door, other).await.expect("an instance may");
    register(&world, &door, "mine", "greeter-1").await;
    register(&world, &neighbour, "theirs-too", "greeter-1").await;
    assert_eq!(actions(&now(&mut events)), ["create mine"]);
    assert_eq!(
        actions(&now(&mut borrowed)),
        ["resync ", "create v1", "create mine"],
        "another's revision is worth nothing"
    );
    let request = WatchRequest {
        options: Some(Options {
            domain: "bobs-ns".into(),
            ttl: 0,
        }),
        ..Default::default()
    };
    let refused = world.registry.watch(&world.owner("ada-ns"), request).await.map(|_| ());
    assert_eq!(words(refused), (403, "Access denied to namespace".into()));
}

#[tokio::test]
async fn a_neighbours_changes_do_not_show_in_ones_own_revisions() {
    let world = World::platform();
    let ((_, door), (_, neighbour)) = (world.instance("ada-ns"), world.instance("bobs-ns"));
    register(&world, &door, "v1", "greeter-1").await;
    let before = revision(&world, "ada-ns").await;
    for n in 0..10 {
        register(&world, &neighbour, &format!("v{n}"), "greeter-1").await;
    }
    assert_eq!(revision(&world, "ada-ns").await, before);
}

#[tokio::test]
async fn the_core_is_told_once_and_does_not_change() {
    let world = World::platform();
    let owner = world.owner("ada-ns");
    let names = |events: &[Event]| -> Vec<String> {
        events
            .iter()
            .map(|e| {
                let name = e.service.as_ref().map_or("", |s| s.name.as_str());
                format!("{} {name}", e.action)
            })
            .collect()
    };
    let told = now(&mut watch_as(&owner, &world, "micro", "", "").await);
    assert_eq!(names(&told), ["create auth", "create store"]);
    let told = now(&mut watch_as(&owner, &world, "micro", "store", "gone").await);
    assert_eq!(names(&told), ["resync ", "create store"]);

    let local = World::local();
    let admin = local.owner("micro");
    local.register(&admin, greeter("v1", "n", 4711)).await.expect("by hand");
    let told = now(&mut watch_as(&admin, &local, "", "", "").await);
    assert_eq!(names(&told), ["create auth", "create store", "create greeter"]);
    let request = WatchRequest {
        options: Some(Options {
            domain: "*".into(),
            ttl: 0,
        }),
        ..Default::default()
    };
    let refused = words(local.registry.watch(&admin, request).await.map(|_| ()));
    assert!(
        refused.0 == 400 && refused.1.contains("one namespace at a time"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_end_of_a_namespace_ends_its_watches_and_no_others() {
    let world = World::platform();
    let ((ada, door), (_, neighbour)) = (world.instance("ada-ns"), world.instance("bobs-ns"));
    world.takes_requests("ada-ns", ada, 4711);
    register(&world, &door, "v1", "greeter-1").await;
    register(&world, &neighbour, "v1", "greeter-1").await;
    let (mut hers, mut his) = (watch(&world, "ada-ns", "").await, watch(&world, "bobs-ns", "").await);
    now(&mut hers);
    now(&mut his);
    world.registry.forget_all(namespace_of("ada-ns").id);
    assert!(world.registry.nodes(namespace_of("ada-ns").id, "greeter").is_empty());
    let ended = hers.next().await.expect("an end").expect_err("it ended");
    assert_eq!(ended.to_wire().code, 503);
    assert!(hers.next().await.is_none());
    register(&world, &neighbour, "v2", "greeter-1").await;
    assert_eq!(actions(&now(&mut his)), ["create v2"]);
    world.registry.end_leases().await;
    let world = world.restarted();
    world.registry.load().await.expect("read");
    assert!(
        now(&mut watch(&world, "ada-ns", "").await).is_empty(),
        "nor is anything written down"
    );
}

//! Being told.

use futures::StreamExt;
use micro_proto::registry::{Registry, Result as Event, Service, WatchRequest};
use micro_rpc::Streaming;
use time::Duration;

use crate::world::{World, greeter};

async fn next(events: &mut Streaming<Event>) -> (String, usize) {
    let event = events.next().await.expect("it never ends").expect("no error");
    (event.action, event.service.expect("the service").nodes.len())
}

async fn watch(world: &World, namespace: &str, service: &str) -> Streaming<Event> {
    let request = WatchRequest {
        service: service.into(),
        options: None,
    };
    world
        .registry
        .watch(&world.owner(namespace), request)
        .await
        .expect("own")
}

#[tokio::test]
async fn a_watcher_is_told_what_comes_changes_and_goes() {
    let world = World::platform();
    let mut events = watch(&world, "ada-ns", "").await;
    let ((first, door), (_, second)) = (world.instance("ada-ns"), world.instance("ada-ns"));
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    assert_eq!(next(&mut events).await, ("create".into(), 1));
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("renewed, which is no news");
    world
        .register(&second, greeter("v1", "greeter-2", 4712))
        .await
        .expect("an instance may");
    assert_eq!(next(&mut events).await, ("update".into(), 2));
    micro_rpc::mesh::Registrations::forget(&world.registry, first);
    assert_eq!(next(&mut events).await, ("update".into(), 1));
    world.clock.advance(Duration::seconds(90));
    world.registry.end_leases().await;
    assert_eq!(next(&mut events).await.0, "delete");
}

#[tokio::test]
async fn a_watcher_hears_of_its_own_namespace_and_service_only() {
    let world = World::platform();
    let mut events = watch(&world, "ada-ns", "greeter").await;
    let ((_, door), (_, neighbour)) = (world.instance("ada-ns"), world.instance("bobs-ns"));
    world
        .register(&neighbour, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    let other = Service {
        name: "other".into(),
        ..greeter("v1", "n", 4711)
    };
    world.register(&door, other).await.expect("an instance may");
    world
        .register(&door, greeter("mine", "greeter-1", 4711))
        .await
        .expect("an instance may");
    let event = events.next().await.expect("it never ends").expect("no error");
    assert_eq!(event.service.expect("the service").version, "mine");
}

#[tokio::test]
async fn a_watcher_that_falls_behind_is_told_so_and_nobody_waits_for_it() {
    let world = World::platform();
    let mut events = watch(&world, "ada-ns", "").await;
    let (_, door) = world.instance("ada-ns");
    for n in 0..400 {
        let registered = greeter("v1", &format!("greeter-{}", n % 3), 4_000 + n);
        world.register(&door, registered).await.expect("an instance may");
    }
    let error = events.next().await.expect("an answer").expect_err("it fell behind");
    assert_eq!(error.to_wire().code, 503);
    assert!(events.next().await.is_none());
}

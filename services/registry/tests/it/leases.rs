//! Registering, and what becomes of it.

use std::sync::atomic::Ordering;

use micro_proto::registry::{ListRequest, Node, Options, Registry, Service};
use micro_tenancy::Caller;
use time::Duration;

use crate::world::{World, greeter, words};

async fn nodes(world: &World, caller: &Caller) -> Vec<String> {
    let services = world
        .registry
        .list_services(caller, ListRequest::default())
        .await
        .expect("own")
        .services;
    services.into_iter().flat_map(|s| s.nodes).map(|n| n.id).collect()
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_ends() {
    let world = World::platform();
    let ((_, door), owner) = (world.instance("ada-ns"), world.owner("ada-ns"));
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    world.clock.advance(Duration::seconds(60));
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("renewed");
    world.clock.advance(Duration::seconds(89));
    assert_eq!(nodes(&world, &owner).await, ["greeter-1"]);
    world.clock.advance(Duration::seconds(1));
    assert!(nodes(&world, &owner).await.is_empty());
}

#[tokio::test]
async fn a_lease_that_says_nothing_about_it_lasts_ninety_seconds() {
    let world = World::platform();
    let ((_, door), owner) = (world.instance("ada-ns"), world.owner("ada-ns"));
    let silent = Service {
        options: None,
        ..greeter("v1", "greeter-1", 4711)
    };
    world.register(&door, silent).await.expect("an instance may");
    world.clock.advance(Duration::seconds(89));
    assert_eq!(nodes(&world, &owner).await, ["greeter-1"]);
    world.clock.advance(Duration::seconds(1));
    assert!(nodes(&world, &owner).await.is_empty());
}

#[tokio::test]
async fn a_lease_of_no_time_lasts_as_long_as_its_instance() {
    let world = World::platform();
    let ((_, door), owner) = (world.instance("ada-ns"), world.owner("ada-ns"));
    let endless = Service {
        options: Some(Options::default()),
        ..greeter("v1", "greeter-1", 4711)
    };
    world.register(&door, endless).await.expect("an instance may");
    world.clock.advance(Duration::days(400));
    assert_eq!(nodes(&world, &owner).await, ["greeter-1"]);
}

#[tokio::test]
async fn renewing_a_lease_writes_nothing_and_a_change_does() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    let writes = || world.records.writes.load(Ordering::SeqCst);
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    assert_eq!(writes(), 1);
    for _ in 0..20 {
        world.clock.advance(Duration::seconds(30));
        world
            .register(&door, greeter("v1", "greeter-1", 4711))
            .await
            .expect("renewed");
    }
    assert_eq!(writes(), 1);
    let mut changed = greeter("v1", "greeter-1", 4711);
    changed.endpoints.pop();
    world.register(&door, changed).await.expect("changed");
    assert_eq!(writes(), 2);
}

#[tokio::test]
async fn a_restart_finds_what_runs_and_forgets_what_does_not_report_again() {
    let world = World::platform();
    let ((_, door), (_, other), owner) = (
        world.instance("ada-ns"),
        world.instance("ada-ns"),
        world.owner("ada-ns"),
    );
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    world
        .register(&other, greeter("v1", "greeter-2", 4712))
        .await
        .expect("an instance may");
    let world = world.restarted();
    world.registry.load().await.expect("read");
    assert_eq!(nodes(&world, &owner).await, ["greeter-1", "greeter-2"]);
    world.clock.advance(Duration::seconds(60));
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("renewed");
    world.clock.advance(Duration::seconds(60));
    world.registry.end_leases().await;
    assert_eq!(nodes(&world, &owner).await, ["greeter-1"]);
    let world = world.restarted();
    world.registry.load().await.expect("read");
    assert_eq!(nodes(&world, &owner).await, ["greeter-1"]);
}

#[tokio::test]
async fn on_the_platform_only_a_running_instance_registers() {
    let world = World::platform();
    let by_hand = world.register(&world.owner("ada-ns"), greeter("v1", "n", 4711)).await;
    assert_eq!(
        words(by_hand),
        (403, "only a running instance may register a service".into())
    );
    let nobody = world.register(&Caller::anonymous(), greeter("v1", "n", 4711)).await;
    assert_eq!(words(nobody), (401, "An account is required".into()));
    let (_, door) = world.instance("ada-ns");
    let elsewhere = Some(Options {
        ttl: 90,
        domain: "bobs-ns".into(),
    });
    let refused = world
        .register(
            &door,
            Service {
                options: elsewhere,
                ..greeter("v1", "n", 4711)
            },
        )
        .await;
    assert_eq!(words(refused), (403, "Access denied to namespace".into()));
}

#[tokio::test]
async fn an_instance_takes_out_its_own_nodes_only() {
    let world = World::platform();
    let ((_, one), (_, two), owner) = (
        world.instance("ada-ns"),
        world.instance("ada-ns"),
        world.owner("ada-ns"),
    );
    world
        .register(&one, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    world
        .register(&two, greeter("v1", "greeter-2", 4712))
        .await
        .expect("an instance may");
    world
        .registry
        .deregister(&one, greeter("v1", "greeter-2", 4712))
        .await
        .expect("no harm");
    assert_eq!(nodes(&world, &owner).await, ["greeter-1", "greeter-2"]);
    world
        .registry
        .deregister(&two, greeter("v1", "greeter-2", 4712))
        .await
        .expect("its own");
    assert_eq!(nodes(&world, &owner).await, ["greeter-1"]);
}

#[tokio::test]
async fn a_registration_that_makes_no_sense_is_refused() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    let node = |id: &str, address: &str| Node {
        id: id.into(),
        address: address.into(),
        ..Default::default()
    };
    let with = |nodes| Service {
        nodes,
        ..greeter("v1", "n", 4711)
    };
    let cases = [
        (
            Service {
                name: "a/b".into(),
                ..greeter("v1", "n", 1)
            },
            "is not a valid name",
        ),
        (
            Service {
                name: "auth".into(),
                ..greeter("v1", "n", 1)
            },
            "auth is a service of the platform",
        ),
        (with(vec![]), "a node needs an id"),
        (with(vec![node("", "10.0.0.7:1")]), "a node needs an id"),
        (with(vec![node("n", "10.0.0.7")]), "host:port"),
        (with(vec![node("n", &"x".repeat(300))]), "too long"),
        (
            with(vec![Node {
                metadata: [("x".into(), "x".repeat(3_000))].into(),
                ..node("n", "10.0.0.7:1")
            }]),
            "a node is too long",
        ),
        (
            with((0..17).map(|n| node(&n.to_string(), "10.0.0.7:1")).collect()),
            "a node needs an id",
        ),
    ];
    for (service, text) in cases {
        let (code, said) = words(world.register(&door, service).await);
        assert!(code == 400 && said.contains(text), "{code} {said}");
    }
}

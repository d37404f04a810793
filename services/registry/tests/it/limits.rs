//! So much and no more: each limit at its edge.

use micro_domain::{Limit, Limits};
use micro_proto::registry::{Endpoint, Node, Registry, Service, WatchRequest};
use micro_tenancy::{Caller, Reports};

use crate::world::{World, greeter, words};

fn limited(change: impl FnOnce(&mut Limits)) -> World {
    let mut limits = Limits::DEVELOPER;
    change(&mut limits);
    World::with(limits)
}

fn at_most(limit: &mut Limit, max: u64) {
    limit.max = max;
}

async fn used(world: &World, name: &str) -> u64 {
    let usage = world.registry.usage(&world.tenant("ada-ns")).await.expect("counted");
    let used = usage.iter().find(|used| used.limit.name == name);
    used.expect("it is reported").used
}

#[tokio::test]
async fn a_namespace_registers_so_many_versions_and_no_more() {
    let world = limited(|limits| at_most(&mut limits.registrations, 3));
    let ((_, door), (_, neighbour)) = (world.instance("ada-ns"), world.instance("bobs-ns"));
    let register = async |door: &Caller, version: &str| world.register(door, greeter(version, "greeter-1", 4711)).await;
    for version in ["v1", "v2", "v3"] {
        register(&door, version).await.expect("within the limit");
    }
    let refused = words(register(&door, "v4").await);
    let said =
        "This namespace has reached its limit of 3 registrations: 3 in use. `micro account usage` lists all limits";
    assert_eq!(refused, (429, said.into()));
    assert_eq!(used(&world, "registrations").await, 3);
    register(&door, "v3").await.expect("one that is there is renewed");
    register(&neighbour, "v1").await.expect("its own limit");
    world
        .registry
        .deregister(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("its own");
    register(&door, "v4").await.expect("there is room again");
}

#[tokio::test]
async fn a_namespace_has_so_many_nodes_and_no_more() {
    let world = limited(|limits| at_most(&mut limits.nodes, 3));
    let (_, door) = world.instance("ada-ns");
    let register = async |version: &str, node: &str| world.register(&door, greeter(version, node, 4711)).await;
    for (version, node) in [("v1", "a"), ("v1", "b"), ("v2", "c")] {
        register(version, node).await.expect("within the limit");
    }
    for version in ["v1", "v2", "v3"] {
        let refused = words(register(version, "d").await);
        assert!(
            refused.0 == 429 && refused.1.contains("limit of 3 nodes: 3 in use"),
            "{refused:?}"
        );
    }
    assert_eq!(used(&world, "nodes").await, 3);
    // A node that says something else is no new one.
    world.register(&door, greeter("v1", "a", 4712)).await.expect("it moved");
    assert_eq!(used(&world, "nodes").await, 3);
}

#[tokio::test]
async fn a_registration_is_so_large_and_no_larger() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    let max = Limits::DEVELOPER.registration_bytes.max as usize;
    let sized = |bytes: usize| {
        let mut service = Service {
            metadata: [("x".into(), "x".repeat(max / 2))].into(),
            ..greeter("v1", "n", 4711)
        };
        let missing = bytes - prost::Message::encoded_len(&service);
        service.metadata.insert("x".into(), "x".repeat(max / 2 + missing));
        assert_eq!(prost::Message::encoded_len(&service), bytes);
        service
    };
    world.register(&door, sized(max)).await.expect("at the edge");
    let refused = world.register(&door, sized(max + 1)).await.expect_err("too large");
    assert_eq!(refused.id(), "limits.registration.bytes");
    let said = format!(
        "a registration of {} is larger than the limit registration.bytes of {max}",
        max + 1
    );
    assert_eq!(words(Err::<(), _>(refused)), (413, said));
}

#[tokio::test]
async fn a_registration_has_so_many_endpoints_and_no_more() {
    let world = limited(|limits| at_most(&mut limits.endpoints, 3));
    let (_, door) = world.instance("ada-ns");
    let with = |count: usize| Service {
        endpoints: (0..count)
            .map(|n| Endpoint {
                name: format!("Greeter.Hello{n}"),
                ..Default::default()
            })
            .collect(),
        ..greeter("v1", "n", 4711)
    };
    world.register(&door, with(3)).await.expect("at the edge");
    let refused = words(world.register(&door, with(4)).await);
    assert_eq!(
        refused,
        (
            413,
            "a registration of 4 is larger than the limit endpoints of 3".into()
        )
    );
}

#[tokio::test]
async fn a_namespace_watches_so_often_at_once_and_no_more() {
    let world = limited(|limits| at_most(&mut limits.watchers, 2));
    let (owner, neighbour) = (world.owner("ada-ns"), world.owner("bobs-ns"));
    let watch = async |caller: &Caller, domain: &str| {
        let options = Some(micro_proto::registry::Options {
            domain: domain.into(),
            ttl: 0,
        });
        let request = WatchRequest {
            options,
            ..Default::default()
        };
        world.registry.watch(caller, request).await
    };
    let first = watch(&owner, "").await.expect("one");
    let _second = watch(&owner, "micro").await.expect("two: the core's counts too");
    let refused = words(watch(&owner, "").await.map(|_| ()));
    let said = "This namespace has reached its limit of 2 watchers: 2 in use. `micro account usage` lists all limits";
    assert_eq!(refused, (429, said.into()));
    assert_eq!(used(&world, "watchers").await, 2);
    watch(&neighbour, "").await.map(|_| ()).expect("its own limit");
    drop(first);
    watch(&owner, "").await.map(|_| ()).expect("there is room again");
}

#[tokio::test]
async fn one_node_is_so_large_and_no_larger() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    let with = |bytes: usize| {
        let node = Node {
            id: "n".into(),
            address: "10.0.0.7:1".into(),
            metadata: [("x".into(), "x".repeat(bytes))].into(),
            ..Default::default()
        };
        Service {
            nodes: vec![node],
            ..greeter("v1", "n", 4711)
        }
    };
    world.register(&door, with(2_000)).await.expect("within it");
    assert_eq!(
        words(world.register(&door, with(2_048)).await),
        (400, "a node is too long".into())
    );
}

#[tokio::test]
async fn nodes_count_to_what_they_are_nodes_of() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    let with = |n: u32| {
        let node = Node {
            id: format!("greeter-{n}"),
            address: "10.0.0.7:1".into(),
            metadata: [("x".into(), "x".repeat(1_900))].into(),
            ..Default::default()
        };
        Service {
            nodes: vec![node],
            ..greeter("v1", "n", 4711)
        }
    };
    let mut taken = 0;
    let refused = loop {
        match world.register(&door, with(taken)).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.id(), "limits.registration.bytes");
    assert_eq!(
        used(&world, "nodes").await,
        u64::from(taken),
        "what was refused changed nothing"
    );
    assert!((60..70).contains(&taken), "{taken}");
}

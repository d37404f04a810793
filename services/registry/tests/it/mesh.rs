//! What gateway and runtime see.

use std::time::Duration;

use micro_proto::registry::{Registry, Service};
use micro_rpc::mesh::{Registrations, Routes};
use tokio::net::TcpListener;

use crate::world::{World, greeter, namespace_of};

fn routed(world: &World, namespace: &str) -> Vec<String> {
    let nodes = world.registry.nodes(namespace_of(namespace).id, "greeter");
    nodes.iter().map(|node| node.id.clone()).collect()
}

#[tokio::test]
async fn a_node_is_routed_to_while_its_instance_takes_requests() {
    let world = World::platform();
    let (instance, door) = world.instance("ada-ns");
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    assert!(routed(&world, "ada-ns").is_empty(), "it is starting");
    world.takes_requests("ada-ns", instance, 4711);
    assert_eq!(routed(&world, "ada-ns"), ["greeter-1"]);
    assert!(routed(&world, "bobs-ns").is_empty());
    assert_eq!(
        world.registry.nodes(namespace_of("ada-ns").id, "greeter")[0].instance,
        Some(instance)
    );
    world.running.0.lock().expect("not poisoned").clear();
    assert!(routed(&world, "ada-ns").is_empty(), "it is draining");
}

#[tokio::test]
async fn a_node_leads_to_its_own_instance_whatever_it_says() {
    let world = World::platform();
    let ((victim, victims_door), (_, door)) = (world.instance("ada-ns"), world.instance("bobs-ns"));
    world.takes_requests("ada-ns", victim, 4711);
    world
        .register(&victims_door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    let mut claim = greeter("v1", "greeter-1", 4711);
    claim.nodes[0].address = "127.0.0.1:4711".into();
    claim.nodes[0].metadata.insert("instance".into(), victim.to_string());
    world
        .register(&door, claim)
        .await
        .expect("an instance may say what it likes");
    assert!(routed(&world, "bobs-ns").is_empty());
    assert_eq!(routed(&world, "ada-ns"), ["greeter-1"]);
}

#[tokio::test]
async fn the_runtime_learns_the_port_as_soon_as_an_instance_registers() {
    let world = World::platform();
    let (instance, door) = world.instance("ada-ns");
    assert_eq!(
        world.registry.registered(instance, Duration::from_millis(1)).await,
        None
    );
    let registry = world.registry.clone();
    let waiting = tokio::spawn(async move { registry.registered(instance, Duration::from_secs(60)).await });
    tokio::task::yield_now().await;
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("an instance may");
    assert_eq!(waiting.await.expect("no panic"), Some(4711));
    assert_eq!(
        world.registry.registered(instance, Duration::ZERO).await,
        Some(4711),
        "known at once"
    );
}

#[tokio::test]
async fn an_instance_that_has_ended_is_forgotten() {
    let world = World::platform();
    let ((ended, door), (stays, other)) = (world.instance("ada-ns"), world.instance("ada-ns"));
    for (id, door, port) in [(ended, &door, 4711), (stays, &other, 4712)] {
        world.takes_requests("ada-ns", id, port);
        world
            .register(door, greeter("v1", &format!("greeter-{port}"), port))
            .await
            .expect("an instance may");
    }
    world.registry.forget(ended);
    assert_eq!(routed(&world, "ada-ns"), ["greeter-4712"]);
    assert_eq!(world.registry.registered(ended, Duration::ZERO).await, None);
}

#[tokio::test]
async fn a_service_started_by_hand_on_a_local_server_is_dialled_on_this_machine_only() {
    let world = World::local();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let admin = world.owner("micro");
    world
        .register(&admin, greeter("v1", "greeter-1", port))
        .await
        .expect("by hand");
    let nodes = world.registry.nodes(namespace_of("micro").id, "greeter");
    let (dialled, accepted) = tokio::join!(nodes[0].connect.connect(), listener.accept());
    assert!(dialled.is_ok() && accepted.is_ok());
    world
        .registry
        .deregister(
            &admin,
            Service {
                nodes: vec![],
                ..greeter("v1", "", 0)
            },
        )
        .await
        .expect("by hand");
    assert!(routed(&world, "micro").is_empty());
}

//! Several servers, one of which knows where services are.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use micro_proto::registry::{GetRequest, Registry, WatchRequest};
use micro_rpc::mesh::Duty;

use crate::world::{World, greeter};

/// Somebody else's.
struct Elsewhere;

#[async_trait]
impl Duty for Elsewhere {
    fn holds(&self) -> bool {
        false
    }

    async fn held(&self) {
        std::future::pending().await
    }
}

async fn nodes(world: &World) -> Vec<String> {
    let request = GetRequest {
        service: "greeter".into(),
        ..GetRequest::default()
    };
    let found = world.registry.get_service(&world.owner("ada-ns"), request).await;
    let services = found.map(|found| found.services).unwrap_or_default();
    services.into_iter().flat_map(|s| s.nodes).map(|n| n.id).collect()
}

#[tokio::test]
async fn what_ran_on_a_server_that_is_gone_is_forgotten_by_the_next() {
    let world = World::platform();
    let ((lives, one), (_, other)) = (world.instance("ada-ns"), world.instance("ada-ns"));
    world
        .register(&one, greeter("v1", "lives", 4711))
        .await
        .expect("registered");
    world
        .register(&other, greeter("v1", "gone", 4711))
        .await
        .expect("registered");
    let next = world.restarted();
    next.registry.load().await.expect("read");
    assert_eq!(nodes(&next).await, ["gone", "lives"]);
    next.takes_requests("ada-ns", lives, 4711);
    let (_, fresh) = next.instance("ada-ns");
    next.register(&fresh, greeter("v1", "starting", 4711))
        .await
        .expect("registered");
    next.registry.forget_lost().await;
    assert_eq!(nodes(&next).await, ["lives", "starting"]);
    let after = next.restarted();
    after.registry.load().await.expect("read");
    assert_eq!(nodes(&after).await, ["lives", "starting"], "and for good");
}

#[tokio::test]
async fn whoever_was_replaced_forgets_and_writes_nothing() {
    let world = World::platform();
    let (_, door) = world.instance("ada-ns");
    world
        .register(&door, greeter("v1", "greeter-1", 4711))
        .await
        .expect("registered");
    let mut watch = world
        .registry
        .watch(&world.owner("ada-ns"), WatchRequest::default())
        .await
        .expect("watched");
    world.registry.lay_down();
    assert!(nodes(&world).await.is_empty());
    let last = async { while let Some(Ok(_)) = watch.next().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), last)
        .await
        .expect("whoever watches is sent away");

    let replaced = world.beside(Arc::new(Elsewhere));
    let (_, late) = replaced.instance("ada-ns");
    replaced
        .register(&late, greeter("v1", "late", 4711))
        .await
        .expect("registered");
    let next = world.restarted();
    next.registry.load().await.expect("read");
    assert_eq!(nodes(&next).await, ["greeter-1"]);
}

//! Stopping: the whole server, and one instance of a service.

use std::{sync::atomic::Ordering, time::Duration};

use micro_rpc::mesh::Traffic;
use tokio::net::TcpStream;

use crate::{
    nodes::TestNode,
    world::{World, caller, instance},
};

fn hold(world: &World) -> tokio::task::JoinHandle<Result<bytes::Bytes, micro_error::Error>> {
    let client = world.client().with_timeout(Duration::from_secs(60));
    tokio::spawn(async move {
        client
            .call_json(&caller("ada", &[]), "greeter", "Greeter.Hold", "{}".into())
            .await
    })
}

#[tokio::test]
async fn the_doors_close_at_once_and_what_is_under_way_finishes() {
    let (world, node) = (World::open().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![node.node()]);
    let held = hold(&world);
    node.seen.held.notified().await;

    let address = world.gateway.addresses().proxy;
    let gateway = world.gateway.clone();
    let stopping = tokio::spawn(async move { gateway.stop(Duration::from_secs(60)).await });
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    node.seen.release.notify_waiters();
    assert_eq!(held.await.expect("joins").expect("answers"), r#"{"held":true}"#);
    assert!(stopping.await.expect("joins"), "everything finished by itself");
}

#[tokio::test]
async fn who_does_not_finish_in_time_is_cut_off() {
    let (world, node) = (World::open().await, TestNode::start().await);
    world.route("ada-ns", "greeter", vec![node.node()]);
    let held = hold(&world);
    node.seen.held.notified().await;
    assert!(!world.gateway.stop(Duration::from_millis(50)).await);
    held.await.expect("joins").expect_err("cut off");
    node.seen.cancelled.notified().await;
}

#[tokio::test]
async fn an_instance_is_drained_when_its_last_call_ends() {
    let world = World::open().await;
    let (id, other) = (instance(), instance());
    let (node, rest) = (TestNode::of(Some(id)).await, TestNode::of(Some(other)).await);
    world.route("ada-ns", "greeter", vec![node.node()]);
    let held = hold(&world);
    node.seen.held.notified().await;
    world.route("ada-ns", "greeter", vec![rest.node()]);

    assert!(
        !world.gateway.drained(id, Duration::from_millis(20)).await,
        "a call is under way"
    );
    let gateway = world.gateway.clone();
    let draining = tokio::spawn(async move { gateway.drained(id, Duration::from_secs(60)).await });
    node.seen.release.notify_waiters();
    held.await.expect("joins").expect("it was finished");
    assert!(draining.await.expect("joins"));

    // A route read just before is of no use any more.
    world.route("ada-ns", "greeter", vec![node.node(), rest.node()]);
    for _turn in 0..4 {
        world
            .client()
            .call_json(&caller("ada", &[]), "greeter", "Greeter.Hello", "{}".into())
            .await
            .expect("by the other");
    }
    assert_eq!(node.seen.headers.lock().expect("not poisoned").len(), 1);
    assert_eq!(rest.seen.headers.lock().expect("not poisoned").len(), 4);
    assert!(rest.seen.connections.load(Ordering::SeqCst) <= 2, "one a core");
    assert!(
        world.gateway.drained(instance(), Duration::from_secs(60)).await,
        "one that nobody ever called"
    );
}

#[tokio::test]
async fn requests_are_counted_by_how_they_ended() {
    let world = World::open().await;
    let client = world.client();
    client
        .call_json(&caller("ada", &[]), "store", "Store.Read", "{}".into())
        .await
        .expect("answers");
    client
        .call_json(&caller("", &[]), "store", "Store.Read", "{}".into())
        .await
        .expect_err("refused");
    client
        .call_json(
            &caller("ada", &[]),
            "store",
            "Store.Read",
            "{\"key\":\"broken\"}".into(),
        )
        .await
        .expect_err("fails");
    client
        .call_json(&caller("ada", &[]), "nobody", "Nobody.Call", "{}".into())
        .await
        .expect_err("refused");
    client
        .call_json(&caller("ada", &[]), "store", "Store.Nope", "{}".into())
        .await
        .expect_err("refused");
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    node.kill().await;
    client
        .call_json(&caller("ada", &[]), "greeter", "Greeter.Hello", "{}".into())
        .await
        .expect_err("its own fault");
    let written = || {
        let mut text = String::new();
        let registry = world.registry.lock().expect("not poisoned");
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("writes");
        text
    };
    for (outcome, count) in [("ok", 1), ("refused", 3), ("failed", 1), ("service_failed", 1)] {
        let line = format!("micro_edge_requests_total{{door=\"proxy\",outcome=\"{outcome}\"}} {count}");
        assert!(written().contains(&line), "{line} in {}", written());
    }
    assert!(written().contains("micro_edge_request_seconds_count{door=\"proxy\"} 6"));
}

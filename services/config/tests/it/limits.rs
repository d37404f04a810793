//! What a plan allows: as much and no more.

use futures::StreamExt;
use micro_domain::{Limit, Limits};
use micro_error::Error;
use micro_proto::config::{WatchRequest, WatchResponse, Watcher};
use micro_rpc::Streaming;
use micro_tenancy::{Caller, Reports};

use crate::world::{World, admin, wire};

async fn used(world: &World, caller: &Caller) -> Vec<(&'static str, u64)> {
    let tenant = caller.enter("").expect("own");
    let usage = world.config.usage(&tenant).await.expect("counted");
    usage.into_iter().map(|u| (u.limit.name, u.used)).collect()
}

async fn watch(world: &World, caller: &Caller) -> Result<Streaming<WatchResponse>, Error> {
    let request = WatchRequest {
        path: "a".into(),
        ..Default::default()
    };
    world.config.watch(caller, request).await
}

#[tokio::test]
async fn bytes_to_the_limit_and_not_one_more() {
    const MAX: usize = 60;
    let config_bytes = Limit {
        max: MAX as u64,
        ..Limits::DEVELOPER.config_bytes
    };
    let world = World::with(Limits {
        config_bytes,
        ..Limits::DEVELOPER
    });
    let ada = admin("ada-ns");
    world.set(&ada, "a", "\"\"").await.expect("fits");
    let text = |length: usize| format!("\"{}\"", "x".repeat(length));
    let room = MAX - world.stored("ada-ns").await.len();

    world.set(&ada, "a", &text(room)).await.expect("to the last byte");
    assert_eq!(used(&world, &ada).await[0], ("config.bytes", MAX as u64));
    let refused = world.set(&ada, "a", &text(room + 1)).await.expect_err("one more");
    let said = "this would make 61 bytes of configuration; a namespace may have 60 (config.bytes), and 60 are in use";
    assert_eq!(wire(&refused), (413, "limits.config.bytes", said));
    assert_eq!(
        world.get(&ada, "a").await.expect("as before"),
        text(room),
        "nothing changed"
    );

    world.set(&ada, "a", "1").await.expect("smaller");
    world.set(&ada, "b", "2").await.expect("room again");
}

#[tokio::test]
async fn watchers_to_the_limit_and_not_one_more() {
    let watchers = Limit {
        max: 2,
        ..Limits::DEVELOPER.watchers
    };
    let world = World::with(Limits {
        watchers,
        ..Limits::DEVELOPER
    });
    let (ada, bob) = (admin("ada-ns"), admin("bobs-ns"));
    world.set(&ada, "a", "1").await.expect("set");
    let mut first = watch(&world, &ada).await.expect("one");
    let second = watch(&world, &ada).await.expect("two");
    let Err(refused) = watch(&world, &ada).await else {
        panic!("a third watch was opened")
    };
    let said = "This namespace has reached its limit of 2 watchers: 2 in use. `micro account usage` lists all limits";
    assert_eq!(wire(&refused), (429, "limits.watchers", said));
    assert_eq!(used(&world, &ada).await[1], ("watchers", 2));
    let told = first.next().await.expect("open").expect("told").value;
    assert_eq!(told.expect("a value").data, "1", "those that are open go on");
    let _another_namespaces = watch(&world, &bob).await.expect("has its own");

    drop(second);
    let _third = watch(&world, &ada).await.expect("room again");
    assert_eq!(used(&world, &ada).await[1], ("watchers", 2));
}

//! Watching a value: what it is now, and every change that shows.

use futures::{FutureExt, StreamExt};
use micro_config::KeyRing;
use micro_domain::Limits;
use micro_proto::config::{Options, WatchRequest, WatchResponse, Watcher};
use micro_rpc::Streaming;
use micro_storage::memory::MemoryRecords;
use micro_tenancy::Caller;

use crate::world::{World, admin};

async fn watch(world: &World, caller: &Caller, path: &str, secret: bool) -> Streaming<WatchResponse> {
    let request = WatchRequest {
        path: path.into(),
        options: Some(Options { secret }),
        ..Default::default()
    };
    world.config.watch(caller, request).await.expect("watched")
}

async fn next(watch: &mut Streaming<WatchResponse>) -> String {
    let message = watch.next().await.expect("it goes on").expect("no error");
    message.value.expect("a value").data
}

#[tokio::test]
async fn a_watcher_sees_what_is_there_and_each_change_of_it() {
    let world = World::new();
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    let mut seen = watch(&world, &ada, "a.b", false).await;
    assert_eq!(next(&mut seen).await, "null");
    world.set(&ada, "a.b", "1").await.expect("set");
    assert_eq!(next(&mut seen).await, "1");
    world.set(&ada, "elsewhere", "2").await.expect("set");
    world.set(&ada, "a.b", "1").await.expect("set to what it is");
    world.set(&eve, "a.b", "\"eve's\"").await.expect("set");
    assert!(seen.next().now_or_never().is_none(), "nothing of it shows");
    world.set(&ada, "a", r#"{"b":{"c":[]}}"#).await.expect("set");
    assert_eq!(next(&mut seen).await, r#"{"c":[]}"#);
    world.delete(&ada, "").await.expect("gone");
    assert_eq!(next(&mut seen).await, "null");
}

#[tokio::test]
async fn a_watched_secret_shows_to_who_asks_for_it() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.set_secret(&ada, "key", "\"old\"").await.expect("set");
    let (mut masked, mut open) = (
        watch(&world, &ada, "key", false).await,
        watch(&world, &ada, "key", true).await,
    );
    assert_eq!(next(&mut masked).await, "\"[secret]\"");
    assert_eq!(next(&mut open).await, "\"old\"");
    world.set_secret(&ada, "key", "\"new\"").await.expect("set");
    assert_eq!(next(&mut open).await, "\"new\"");
    assert!(masked.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_change_by_another_replica_is_seen_within_five_seconds() {
    let records = std::sync::Arc::new(MemoryRecords::default());
    let keys = KeyRing::generate();
    let here = World::on(records, &keys, Limits::DEVELOPER);
    let there = here.restarted_with(&keys);
    let ada = admin("ada-ns");
    let mut seen = watch(&here, &ada, "a", false).await;
    assert_eq!(next(&mut seen).await, "null");
    there.set(&ada, "a", "1").await.expect("set");
    let began = tokio::time::Instant::now();
    assert_eq!(next(&mut seen).await, "1");
    assert!(began.elapsed().as_secs() < 5);
}

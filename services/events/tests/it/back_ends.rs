//! One story on each back end.

use std::{sync::Arc, time::Duration};

use micro_proto::events::{Groups, ListGroupsRequest, PublishRequest, ReplayRequest, Stream};
use micro_storage::{
    Db, file,
    log::Log,
    memory::{MemoryLog, MemoryRecords},
    records::Records,
    sql::{Hot, SqlLog, SqlRecords},
};
use micro_testkit::{TestDb, eventually};

use crate::world::{World, acknowledging, event, from_the_start, owner, text};

async fn events_are_published_shared_refused_kept_and_resumed(log: Arc<dyn Log>, records: Arc<dyn Records>) {
    let (world, ada, bob) = (World::on(log, records), owner("ada-ns"), owner("bobs-ns"));
    world.publish_all(&ada, "orders", &["0", "1", "2", "3"]).await;
    world.publish(&bob, "orders", "bob's").await.expect("own");

    let stored = world.read(&ada, "orders").await;
    let streamed = world
        .consume(&ada, from_the_start("orders", ""))
        .await
        .expect("own")
        .next()
        .await;
    assert_eq!(stored.iter().map(text).collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    assert_eq!(streamed, stored[0], "one id everywhere");

    let mut worker = world
        .consume(&ada, acknowledging("orders", "billing", 2_000, 1))
        .await
        .expect("own");
    assert_eq!(worker.done().await, "0");
    assert_eq!(worker.refuse().await, "1");
    assert_eq!(worker.refuse().await, "1", "again, before the next");
    assert_eq!(worker.next().await.id, stored[2].id, "given up");
    drop(worker);
    billing_stands_at(&world, 2, 1).await;

    let restarted = world.another();
    let mut worker = restarted
        .consume(&ada, acknowledging("orders", "billing", 60_000, -1))
        .await
        .expect("own");
    assert_eq!(worker.done().await, "2", "it was not acknowledged");
    assert_eq!(worker.done().await, "3");
    let letters = restarted.dead_letters(&ada, "orders", "billing").await;
    assert_eq!((letters.len(), letters[0].attempts), (1, 2));
    assert_eq!(letters[0].event.as_ref(), Some(&stored[1]));
    let replay = ReplayRequest {
        topic: "orders".into(),
        group: "billing".into(),
        numbers: vec![],
    };
    assert_eq!(restarted.events.replay(&ada, replay).await.expect("own").replayed, 1);
    assert_eq!(worker.done().await, "1");
    assert!(restarted.dead_letters(&ada, "orders", "billing").await.is_empty());

    let numbered = PublishRequest {
        producer: "till-7".into(),
        sequence: 1,
        ..event("orders", "4")
    };
    let first = restarted.events.publish(&ada, numbered.clone()).await.expect("own");
    let again = world.another().events.publish(&ada, numbered).await.expect("own");
    assert_eq!((first.duplicate, again.duplicate, &first.id), (false, true, &again.id));
    assert_eq!(worker.done().await, "4");
    billing_stands_at(&restarted, 5, 0).await;

    let at_bobs = world
        .consume(&bob, from_the_start("orders", "billing"))
        .await
        .expect("own")
        .next()
        .await;
    assert_eq!((text(&at_bobs).as_str(), at_bobs.number), ("bob's", 0));
}

/// Where the group stands is written down: its next event, and how often that was tried.
async fn billing_stands_at(world: &World, number: u64, attempts: u64) {
    let ada = owner("ada-ns");
    eventually("written down", Duration::from_secs(20), || async {
        let asked = ListGroupsRequest { topic: "orders".into() };
        let groups = world.events.list(&ada, asked).await.expect("own").groups;
        groups.len() == 1 && (groups[0].number, groups[0].attempts) == (number, attempts)
    })
    .await;
}

#[tokio::test]
async fn in_memory() {
    let (log, records) = (MemoryLog::default(), MemoryRecords::default());
    events_are_published_shared_refused_kept_and_resumed(Arc::new(log), Arc::new(records)).await;
}

#[tokio::test]
async fn in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, log) = file::open(folder.path().join("store.redb")).expect("opens");
    events_are_published_shared_refused_kept_and_resumed(Arc::new(log), Arc::new(records)).await;
}

async fn on(db: Db) -> (Arc<dyn Log>, Arc<dyn Records>) {
    let hot = Hot::connect(&db).await.expect("connects");
    (Arc::new(SqlLog::new(hot.clone())), Arc::new(SqlRecords::new(hot, &db)))
}

#[tokio::test]
async fn in_postgres() {
    let test = TestDb::new().await;
    let (log, records) = on(test.db().await).await;
    events_are_published_shared_refused_kept_and_resumed(log, records).await;
}

#[tokio::test]
async fn in_a_database_that_loses_races() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.1).await;
    let (log, records) = on(proxy.db().await).await;
    events_are_published_shared_refused_kept_and_resumed(log, records).await;
    assert!(proxy.failures() > 0);
}

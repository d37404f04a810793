//! One life of records and blobs, on each back end.

use std::{path::Path, sync::Arc};

use micro_domain::Limits;
use micro_proto::store::{
    DeleteRequest, ListOptions, Record, Records as _, Store, TablesRequest, UpdateRequest, WriteRequest,
};
use micro_storage::{
    Db,
    blobs::{Blobs, ObjectBlobs},
    file,
    memory::{MemoryBlobs, MemoryRecords},
    records::Records,
    sql::{Hot, SqlRecords},
};
use micro_testkit::TestDb;
use time::Duration;

use crate::world::{World, admin, read, record};

async fn records_and_blobs_come_and_go(records: Arc<dyn Records>, blobs: Arc<dyn Blobs>) {
    let world = World::on(records, blobs, Limits::DEVELOPER);
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    for n in 0..100 {
        world.put(&ada, &format!("visits/{n:03}"), &format!("{n}")).await;
    }
    world.put(&eve, "visits/000", "eve's").await;
    let options = ListOptions {
        prefix: "visits/".into(),
        suffix: "5".into(),
        order: "desc".into(),
        limit: 2,
        offset: 1,
        ..Default::default()
    };
    assert_eq!(
        world.list(&ada, options).await.expect("listed").concat(),
        ["visits/085", "visits/075"]
    );
    assert_eq!(
        world
            .list(&ada, Default::default())
            .await
            .expect("listed")
            .concat()
            .len(),
        100
    );
    assert_eq!(world.get(&eve, "visits/000").await.expect("hers").value, b"eve's");
    let tables = world
        .store
        .tables(&ada, TablesRequest::default())
        .await
        .expect("listed")
        .tables;
    assert_eq!(tables, ["micro"]);

    let short = WriteRequest {
        record: Some(Record {
            expiry: 10,
            ..record("short", b"\0\xff")
        }),
        options: None,
    };
    world.store.write(&ada, short).await.expect("written");
    assert_eq!(world.get(&ada, "short").await.expect("lives").value, b"\0\xff");
    world.clock.advance(Duration::seconds(10));
    assert!(world.store.read(&ada, read("short")).await.is_err());
    assert_eq!(world.store.sweep().await.expect("swept"), 1);

    let update = |expect_version| UpdateRequest {
        record: Some(record("cas", b"x")),
        options: None,
        expect_version,
    };
    let version = world.store.update(&ada, update(0)).await.expect("made").version;
    assert!(world.store.update(&ada, update(0)).await.is_err());
    world.store.update(&ada, update(version)).await.expect("replaced");
    assert!(world.store.update(&ada, update(version)).await.is_err());
    let request = DeleteRequest {
        key: "cas".into(),
        options: None,
    };
    world.store.delete(&ada, request).await.expect("gone");
    assert!(
        world.store.update(&ada, update(version)).await.is_err(),
        "what is gone has no version"
    );

    let big = vec![7; 6 << 20];
    world
        .put_blob(&ada, "big", &[&big[..1_000], &big[1_000..]])
        .await
        .expect("written");
    world.put_blob(&ada, "big", &[&big, b"more"]).await.expect("replaced");
    assert_eq!(
        world.get_blob(&ada, "big").await.expect("read").concat(),
        [&big[..], b"more"].concat()
    );
    assert!(world.get_blob(&eve, "big").await.is_err());
}

async fn sql(db: Db, folder: &Path) -> (Arc<dyn Records>, Arc<dyn Blobs>) {
    let records = SqlRecords::new(Hot::connect(&db).await.expect("connects"), &db);
    (
        Arc::new(records),
        Arc::new(ObjectBlobs::in_folder(folder).expect("a folder")),
    )
}

#[tokio::test]
async fn in_memory() {
    records_and_blobs_come_and_go(Arc::new(MemoryRecords::default()), Arc::new(MemoryBlobs::default())).await;
}

#[tokio::test]
async fn in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, _log) = file::open(folder.path().join("store.redb")).expect("opens");
    let blobs = ObjectBlobs::in_folder(folder.path().join("blobs")).expect("a folder");
    records_and_blobs_come_and_go(Arc::new(records), Arc::new(blobs)).await;
}

#[tokio::test]
async fn in_postgres() {
    let test = TestDb::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (records, blobs) = sql(test.db().await, folder.path()).await;
    records_and_blobs_come_and_go(records, blobs).await;
}

#[tokio::test]
async fn in_a_database_that_loses_races() {
    let test = TestDb::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = test.flaky(0.1).await;
    let (records, blobs) = sql(proxy.db().await, folder.path()).await;
    records_and_blobs_come_and_go(records, blobs).await;
    assert!(proxy.failures() > 0);
}

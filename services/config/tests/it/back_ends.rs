//! One life of a configuration, on each back end.

use std::sync::Arc;

use micro_config::KeyRing;
use micro_domain::Limits;
use micro_storage::{
    Db, file,
    memory::MemoryRecords,
    records::Records,
    sql::{Hot, SqlRecords},
};
use micro_testkit::{TestDb, tenant};

use crate::world::{World, admin};

async fn a_configuration_comes_and_goes(records: Arc<dyn Records>) {
    let keys = KeyRing::generate();
    let world = Arc::new(World::on(records, &keys, Limits::DEVELOPER));
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    world.set(&ada, "a.b", r#"{"c":[1,2]}"#).await.expect("set");
    world.set_secret(&ada, "a.s", "\"hush\"").await.expect("set");
    world.set(&eve, "a", "\"eve's\"").await.expect("set");
    assert_eq!(
        world.get(&ada, "a").await.expect("read"),
        r#"{"b":{"c":[1,2]},"s":"[secret]"}"#
    );

    let restarted = world.restarted_with(&keys);
    assert_eq!(restarted.get_secret(&ada, "a.s").await.expect("read"), "\"hush\"");
    assert_eq!(
        restarted.config.rotate(&tenant("ada-ns")).await.expect("nothing to do"),
        0
    );
    let changes = (0..8).map(|n| {
        let world = world.clone();
        tokio::spawn(async move { world.set(&admin("ada-ns"), &format!("n.k{n}"), "true").await })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.expect("no panic").expect("set");
    }
    assert_eq!(world.get(&ada, "n").await.expect("read").matches("true").count(), 8);

    world.delete(&ada, "").await.expect("gone");
    assert!(restarted.get(&ada, "").await.is_err());
    world.set(&ada, "a", "1").await.expect("from the beginning");
    assert_eq!(restarted.get(&ada, "").await.expect("read"), r#"{"a":1}"#);
    assert_eq!(restarted.get(&eve, "").await.expect("read"), r#"{"a":"eve's"}"#);
}

async fn on(db: Db) -> Arc<dyn Records> {
    Arc::new(SqlRecords::new(Hot::connect(&db).await.expect("connects"), &db))
}

#[tokio::test]
async fn in_memory() {
    a_configuration_comes_and_goes(Arc::new(MemoryRecords::default())).await;
}

#[tokio::test]
async fn in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, _log) = file::open(folder.path().join("store.redb")).expect("opens");
    a_configuration_comes_and_goes(Arc::new(records)).await;
}

#[tokio::test]
async fn in_postgres() {
    let test = TestDb::new().await;
    a_configuration_comes_and_goes(on(test.db().await).await).await;
}

#[tokio::test]
async fn in_a_database_that_loses_races() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.1).await;
    a_configuration_comes_and_goes(on(proxy.db().await).await).await;
    assert!(proxy.failures() > 0);
}

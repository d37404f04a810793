//! How much a namespace may keep: as many records and bytes as its plan says, however they are written.

use std::sync::Arc;

use futures::{StreamExt, stream};
use micro_domain::{Limit, Limits};
use micro_error::{Error, Kind};
use micro_proto::store::{DeleteRequest, ImportRequest, Records as _, Snapshots, Store, Stored, UpdateRequest};
use micro_storage::{
    memory::{MemoryBlobs, MemoryRecords},
    records::Quota,
};
use micro_tenancy::{Caller, Reports};
use micro_testkit::tenant;

use crate::world::{World, admin, record, write};

fn small(records: u64, bytes: u64) -> World {
    let limits = Limits {
        records: Limit {
            name: "records",
            max: records,
        },
        records_bytes: Limit {
            name: "records.bytes",
            max: bytes,
        },
        ..Limits::DEVELOPER
    };
    let records = MemoryRecords::with_quota(Quota::of(&limits));
    World::on(Arc::new(records), Arc::new(MemoryBlobs::default()), limits)
}

/// Tries every way to write a record.
async fn every_write(world: &World, caller: &Caller, key: &str, value: &[u8]) -> Vec<Error> {
    let update = UpdateRequest {
        record: Some(record(key, value)),
        options: None,
        expect_version: 0,
    };
    let stored = Stored {
        table: "micro".into(),
        key: key.into(),
        value: value.into(),
        ..Default::default()
    };
    let import = ImportRequest {
        records: vec![stored],
        ..Default::default()
    };
    let imported = stream::iter([Ok(import)]).boxed();
    let tried = [
        Store::write(&world.store, caller, write(key, value)).await.map(drop),
        world.store.update(caller, update).await.map(drop),
        Snapshots::import(&world.store, caller, imported).await.map(drop),
    ];
    tried.into_iter().map(|tried| tried.expect_err("no room")).collect()
}

async fn used(world: &World, limit: &str) -> u64 {
    let used = world.store.usage(&tenant("ada-ns")).await.expect("counted");
    used.iter().find(|u| u.limit.name == limit).expect("reported").used
}

#[tokio::test]
async fn the_last_record_fits_and_one_more_does_not() {
    let world = small(3, 1 << 20);
    let ada = admin("ada-ns");
    for key in ["a", "b", "c"] {
        world.put(&ada, key, "1").await;
    }
    for error in every_write(&world, &ada, "d", b"1").await {
        assert_eq!((error.kind(), error.id()), (Kind::TooMany, "limits.records"));
        assert!(error.message().contains("its limit of 3 records: 3 in use"), "{error}");
    }
    world.put(&ada, "c", "replaced").await;
    world.put(&admin("eve-ns"), "d", "everybody has their own").await;
    assert_eq!(used(&world, "records").await, 3);
    let gone = DeleteRequest {
        key: "a".into(),
        options: None,
    };
    Store::delete(&world.store, &ada, gone).await.expect("gone");
    world.put(&ada, "d", "room again").await;
}

#[tokio::test]
async fn the_last_byte_fits_and_one_more_does_not() {
    // Database, table, key and the stored value: a mark and its bytes.
    let names = "ada-ns".len() + "micro".len() + "k".len();
    let fits = 100 - names - 1;
    let world = small(1_000, 100);
    let ada = admin("ada-ns");
    for error in every_write(&world, &ada, "k", &vec![7; fits + 1]).await {
        assert_eq!((error.kind(), error.id()), (Kind::TooLarge, "limits.records.bytes"));
        assert!(
            error.message().contains("its limit of 100 records.bytes: 0 in use"),
            "{error}"
        );
    }
    assert_eq!(used(&world, "records.bytes").await, 0);
    Store::write(&world.store, &ada, write("k", &vec![7; fits]))
        .await
        .expect("just fits");
    assert_eq!(used(&world, "records.bytes").await, 100);
}

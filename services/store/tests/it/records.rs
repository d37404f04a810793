//! Records one by one: what is written is read, for as long as it lives.

use std::collections::BTreeMap;

use micro_proto::store::{
    DatabasesRequest, DeleteRequest, Field, GetRequest, ReadOptions, ReadRequest, Record, Records, Store,
    TablesRequest, UpdateRequest, WriteRequest,
};
use micro_rpc::{Call, Codec, Message, Payload};
use micro_tenancy::Caller;
use time::Duration;

use crate::world::{World, admin, read, read_in, record, service, wire, write, write_in};

#[tokio::test]
async fn a_service_and_the_command_line_see_the_same_records() {
    let world = World::new();
    let (ada, greeter) = (admin("ada-ns"), service("ada-ns"));
    world
        .store
        .write(&greeter, write_in("ada-ns", "greeter", "visits", "7"))
        .await
        .expect("as its SDK sends it");
    let found = world
        .store
        .read(&ada, read_in("", "greeter", "visits"))
        .await
        .expect("read");
    assert_eq!(found.records, [record("visits", b"7")]);
    let elsewhere = world
        .store
        .read(&ada, read_in("ada-ns", "", "visits"))
        .await
        .expect_err("another table");
    assert_eq!(wire(&elsewhere), (404, "store.Store.Read", "not found"));
}

#[tokio::test]
async fn metadata_keeps_its_types() {
    let world = World::new();
    let ada = admin("ada-ns");
    let field = |kind: &str, value: &str| Field {
        r#type: kind.into(),
        value: value.into(),
    };
    let metadata = BTreeMap::from([("n".into(), field("int", "7")), ("s".into(), field("", "x"))]);
    let request = WriteRequest {
        record: Some(Record {
            metadata,
            ..record("k", b"v")
        }),
        options: None,
    };
    world.store.write(&ada, request).await.expect("written");
    let found = world.get(&ada, "k").await.expect("read");
    assert_eq!(found.value, b"v");
    let expected = BTreeMap::from([("n".into(), field("int", "7")), ("s".into(), field("string", "x"))]);
    assert_eq!(found.metadata, expected);
}

#[tokio::test]
async fn a_record_lives_as_long_as_it_was_given() {
    let world = World::new();
    let ada = admin("ada-ns");
    let short = WriteRequest {
        record: Some(Record {
            expiry: 60,
            ..record("k", b"v")
        }),
        options: None,
    };
    world.store.write(&ada, short).await.expect("written");
    world.put(&ada, "for-ever", "v").await;
    assert_eq!(world.get(&ada, "k").await.expect("lives").expiry, 60);
    world.clock.advance(Duration::milliseconds(59_500));
    assert_eq!(
        world.get(&ada, "k").await.expect("lives").expiry,
        1,
        "0 would be for ever"
    );
    world.clock.advance(Duration::milliseconds(500));
    assert_eq!(world.get(&ada, "k").await.expect_err("over").kind().status(), 404);
    assert_eq!(world.store.sweep().await.expect("swept"), 1);
    assert_eq!(world.get(&ada, "for-ever").await.expect("lives").expiry, 0);

    for expiry in [-1, i64::MAX] {
        let bad = WriteRequest {
            record: Some(Record {
                expiry,
                ..record("k", b"v")
            }),
            options: None,
        };
        let refused = world.store.write(&ada, bad).await.expect_err("no life");
        assert_eq!((refused.kind().status(), refused.id()), (400, "store.Store.Write"));
    }
}

#[tokio::test]
async fn deleting_may_be_repeated() {
    let world = World::new();
    let ada = admin("ada-ns");
    world.put(&ada, "k", "v").await;
    for _ in 0..2 {
        let request = DeleteRequest {
            key: "k".into(),
            options: None,
        };
        world.store.delete(&ada, request).await.expect("gone");
    }
    assert_eq!(world.get(&ada, "k").await.expect_err("gone").kind().status(), 404);
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_in_words() {
    let world = World::new();
    let ada = admin("ada-ns");
    let refused = |request| async { world.store.write(&ada, request).await.expect_err("refused") };
    let nothing = refused(WriteRequest::default()).await;
    assert_eq!(wire(&nothing), (400, "store.Store.Write", "no record specified"));
    assert_eq!(refused(write("", b"v")).await.message(), "a record needs a key");
    assert!(
        refused(write(&"k".repeat(2_001), b"v"))
            .await
            .message()
            .contains("at most 2000 bytes")
    );
    assert_eq!(refused(write("a\0b", b"v")).await.kind().status(), 400);
    assert_eq!(refused(write_in("", "\u{1}core", "k", "v")).await.kind().status(), 400);

    let limit = 1 << 20;
    world
        .store
        .write(&ada, write("k", &vec![7; limit]))
        .await
        .expect("just fits");
    let big = refused(write("k", &vec![7; limit + 1])).await;
    assert_eq!((big.kind().status(), big.id()), (413, "limits.value.bytes"));
    assert!(
        big.message().contains("1048577") && big.message().contains("1048576"),
        "{big}"
    );
    let noted = Record {
        metadata: BTreeMap::from([("n".into(), Field::default())]),
        ..record("k", &vec![7; limit])
    };
    assert_eq!(
        refused(WriteRequest {
            record: Some(noted),
            options: None
        })
        .await
        .kind()
        .status(),
        413
    );
}

#[tokio::test]
async fn a_change_replaces_only_what_was_read() {
    let world = World::new();
    let ada = admin("ada-ns");
    let update = |value: &'static [u8], expect_version| UpdateRequest {
        record: Some(record("k", value)),
        options: None,
        expect_version,
    };
    let get = || GetRequest {
        key: "k".into(),
        ..Default::default()
    };
    let none = Records::get(&world.store, &ada, get()).await.expect_err("not yet");
    assert_eq!(wire(&none), (404, "store.Records.Get", "not found"));

    let first = world.store.update(&ada, update(b"1", 0)).await.expect("made").version;
    let exists = world
        .store
        .update(&ada, update(b"x", 0))
        .await
        .expect_err("there already");
    assert_eq!((exists.kind().status(), exists.id()), (409, "store.Records.Update"));
    let second = world
        .store
        .update(&ada, update(b"2", first))
        .await
        .expect("replaced")
        .version;
    assert!(second > first);
    let lost = world
        .store
        .update(&ada, update(b"x", first))
        .await
        .expect_err("changed since");
    assert_eq!(lost.kind().status(), 409);
    let found = Records::get(&world.store, &ada, get()).await.expect("there");
    assert_eq!((found.version, found.record), (second, Some(record("k", b"2"))));
}

async fn tables(world: &World, caller: &Caller, database: &str) -> Vec<String> {
    let request = TablesRequest {
        database: database.into(),
    };
    world.store.tables(caller, request).await.expect("listed").tables
}

#[tokio::test]
async fn databases_and_tables_are_ones_own_and_reading_makes_none() {
    let world = World::new();
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    for table in ["", "greeter"] {
        assert!(world.store.read(&ada, read_in("", table, "k")).await.is_err());
        assert_eq!(
            world.list(&ada, Default::default()).await.expect("listed"),
            [Vec::<String>::new()]
        );
    }
    let store = &world.store;
    let databases = |caller: Caller| async move { store.databases(&caller, DatabasesRequest {}).await };
    assert!(databases(ada.clone()).await.expect("listed").databases.is_empty());
    assert!(tables(&world, &ada, "").await.is_empty());

    world.put(&ada, "k", "v").await;
    world
        .store
        .write(&ada, write_in("", "greeter", "k", "v"))
        .await
        .expect("written");
    world.put_blob(&ada, "b", &[b"kept beside"]).await.expect("written");
    assert_eq!(databases(ada.clone()).await.expect("listed").databases, ["ada-ns"]);
    assert_eq!(
        tables(&world, &ada, "ada-ns").await,
        ["greeter", "micro"],
        "and none of our own"
    );
    assert!(databases(eve.clone()).await.expect("listed").databases.is_empty());
    assert!(tables(&world, &eve, "").await.is_empty());
    assert!(world.store.read(&eve, read("k")).await.is_err());
}

/// Doors answer what is short on the thread that also serves everybody else.
#[test]
fn reading_one_record_is_short_and_a_search_is_not() {
    let world = World::new();
    let services = world.store.services();
    let store = services
        .iter()
        .find(|s| s.descriptor().name == "Store")
        .expect("served");
    fn call(method: &str, message: &impl Message) -> Call {
        Call {
            caller: Caller::anonymous(),
            method: method.into(),
            codec: Codec::Proto,
            payload: Payload::one(Codec::Proto, message),
        }
    }
    let read = |options| ReadRequest {
        key: "visits".into(),
        options,
    };
    let with = |prefix, suffix| {
        Some(ReadOptions {
            prefix,
            suffix,
            ..ReadOptions::default()
        })
    };
    assert!(store.is_short(&call("Read", &read(None))));
    assert!(store.is_short(&call("Read", &read(with(false, false)))));
    for options in [with(true, false), with(false, true)] {
        assert!(!store.is_short(&call("Read", &read(options))));
    }
    assert!(!store.is_short(&call("Delete", &DeleteRequest::default())));
}

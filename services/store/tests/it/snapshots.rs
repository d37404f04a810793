//! A snapshot holds every record with all that belongs to it, and what is put back is the same.

use futures::{StreamExt, TryStreamExt, stream};
use micro_error::{Error, Kind};
use micro_proto::store::{
    ExportRequest, Field, GetRequest, ImportRequest, ImportResponse, Record, Records, Snapshots, Store, Stored,
    WriteOptions, WriteRequest,
};
use micro_tenancy::Caller;
use time::Duration;

use crate::world::{World, admin, record, write_in};

impl World {
    async fn export(&self, caller: &Caller, table: &str) -> Vec<Stored> {
        let request = ExportRequest {
            database: String::new(),
            table: table.into(),
        };
        let pages = Snapshots::export(&self.store, caller, request).await.expect("own");
        let pages: Vec<_> = pages.try_collect().await.expect("whole");
        let big = |page: &&micro_proto::store::ExportResponse| {
            page.records.iter().map(|r| r.value.len()).sum::<usize>() > 2 << 20
        };
        assert_eq!(pages.iter().filter(big).count(), 0, "older clients take 4 MiB");
        pages.into_iter().flat_map(|page| page.records).collect()
    }

    async fn import(&self, caller: &Caller, messages: Vec<Vec<Stored>>) -> Result<ImportResponse, Error> {
        let message = |records| {
            Ok(ImportRequest {
                database: String::new(),
                records,
            })
        };
        let messages: Vec<_> = messages.into_iter().map(message).collect();
        Snapshots::import(&self.store, caller, stream::iter(messages).boxed()).await
    }
}

/// Several tables, all kinds of keys, values, notes and ends.
async fn filled() -> World {
    let world = World::new();
    let ada = admin("ada-ns");
    for n in 0..700 {
        let key = format!("k/{n:03}");
        world
            .store
            .write(&ada, write_in("", "many", &key, "v"))
            .await
            .expect("written");
    }
    for n in 0..9 {
        let big = "x".repeat(700_000);
        world
            .store
            .write(&ada, write_in("", "big", &n.to_string(), &big))
            .await
            .expect("written");
    }
    let note = |kind: &str, value: &str| Field {
        r#type: kind.into(),
        value: value.into(),
    };
    let metadata = [("n", note("int", "7")), ("plain", note("", "\u{1F980}"))];
    for (key, expiry) in [("\u{1}odd\u{7f}\u{1F980}", 0), ("short", 90), ("long", 100_000)] {
        let record = Record {
            expiry,
            metadata: metadata
                .iter()
                .map(|(name, note)| ((*name).into(), note.clone()))
                .collect(),
            ..record(key, b"\0\xff\r\n")
        };
        let options = Some(WriteOptions {
            table: "odd".into(),
            ..Default::default()
        });
        let request = WriteRequest {
            record: Some(record),
            options,
        };
        world.store.write(&ada, request).await.expect("written");
    }
    world
        .store
        .write(&admin("eve-ns"), write_in("", "many", "eve", "hers"))
        .await
        .expect("written");
    world
}

#[tokio::test]
async fn what_is_put_back_is_the_same_to_the_nanosecond() {
    let world = filled().await;
    world.clock.advance(Duration::nanoseconds(12_345));
    let ada = admin("ada-ns");
    let all = world.export(&ada, "").await;
    assert_eq!(all.len(), 700 + 9 + 3);
    let other = World::new();
    let bob = admin("bobs-ns");
    let messages = all.chunks(100).map(<[Stored]>::to_vec).collect();
    let done = other.import(&bob, messages).await.expect("put back");
    assert_eq!((done.written, done.expired), (all.len() as u64, 0));
    assert!(other.export(&bob, "").await == all);
    assert_eq!(other.export(&bob, "odd").await, world.export(&ada, "odd").await);
    assert!(other.export(&bob, "none").await.is_empty());
}

#[tokio::test]
async fn what_has_expired_meanwhile_stays_away_and_what_is_there_is_replaced() {
    let world = filled().await;
    let ada = admin("ada-ns");
    let odd = world.export(&ada, "odd").await;
    world
        .store
        .write(&ada, write_in("", "odd", "long", "changed"))
        .await
        .expect("written");
    world
        .store
        .write(&ada, write_in("", "odd", "new", "stays"))
        .await
        .expect("written");
    world.clock.advance(Duration::seconds(90));
    let done = world.import(&ada, vec![odd.clone()]).await.expect("put back");
    assert_eq!((done.written, done.expired), (2, 1));
    let now: Vec<_> = world.export(&ada, "odd").await;
    assert_eq!(
        now.iter().map(|r| r.key.as_str()).collect::<Vec<_>>(),
        ["\u{1}odd\u{7f}\u{1F980}", "long", "new"]
    );
    assert_eq!(now[1], *odd.iter().find(|r| r.key == "long").expect("kept"));
}

#[tokio::test]
async fn a_key_that_comes_twice_has_its_last_value() {
    let world = World::new();
    let ada = admin("ada-ns");
    let stored = |value: &str| Stored {
        table: "t".into(),
        key: "k".into(),
        value: value.into(),
        ..Default::default()
    };
    let done = world
        .import(&ada, vec![vec![stored("1"), stored("2")], vec![stored("3")]])
        .await
        .expect("put");
    assert_eq!(done.written, 3);
    let request = GetRequest {
        key: "k".into(),
        table: "t".into(),
        ..Default::default()
    };
    let found = world
        .store
        .get(&ada, request)
        .await
        .expect("there")
        .record
        .expect("one");
    assert_eq!(found.value, b"3");
}

#[tokio::test]
async fn what_is_no_record_is_refused() {
    let world = World::new();
    let ada = admin("ada-ns");
    let stored = Stored {
        table: "t".into(),
        key: "k".into(),
        ..Default::default()
    };
    let no_table = Stored {
        table: String::new(),
        ..stored.clone()
    };
    let no_key = Stored {
        key: String::new(),
        ..stored.clone()
    };
    let cores = Stored {
        table: "\u{1}core".into(),
        ..stored.clone()
    };
    let too_big = Stored {
        value: vec![0; (1 << 20) + 1],
        ..stored
    };
    for (bad, kind) in [
        (no_table, Kind::Invalid),
        (no_key, Kind::Invalid),
        (cores, Kind::Invalid),
        (too_big, Kind::TooLarge),
    ] {
        let refused = world.import(&ada, vec![vec![bad.clone()]]).await.expect_err("refused");
        assert_eq!(refused.kind(), kind, "{refused}");
    }
}

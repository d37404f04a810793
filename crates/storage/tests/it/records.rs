//! What Records promises, on every back end.

use std::ops::Bound;

use micro_clock::Clock;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Records, Scan, Write, Written},
};
use micro_testkit::{TestClock, tenant};
use time::{Duration, OffsetDateTime};

use crate::backends::on_every_back_end;

on_every_back_end! { records:
    what_is_written_is_read_back
    an_expired_record_is_not_there
    conditions_decide_whether_a_write_happens
    a_batch_happens_whole_or_not_at_all
    versions_grow_even_across_a_deletion
    scans_are_ordered_bounded_and_go_on_from_a_cursor
    a_scan_stays_in_its_table
    namespaces_do_not_meet
    tables_are_listed_without_cores
    unacceptable_keys_are_refused
    of_many_writers_one_wins_each_round
    the_sweep_removes_what_has_expired_and_nothing_else
    big_values_and_empty_ones
}

fn now() -> OffsetDateTime {
    TestClock::default().now()
}

fn key(key: &str) -> Key {
    Key::tenant("db", "tbl", key).expect("a plain key")
}

async fn put(records: &impl Records, write: Write) -> u64 {
    match records.write(&tenant("ada"), vec![write], now()).await.expect("writes") {
        Written::Done(versions) => versions[0],
        lost => panic!("{lost:?}"),
    }
}

async fn get(records: &impl Records, of: &str, at: OffsetDateTime) -> Option<Record> {
    records
        .get(&tenant("ada"), &[key(of)], at)
        .await
        .expect("reads")
        .remove(0)
}

async fn what_is_written_is_read_back(records: &impl Records) {
    assert_eq!(get(records, "k", now()).await, None);
    let version = put(records, Write::put(key("k"), "one").until(now() + Duration::HOUR)).await;
    let expected = Record {
        key: "k".into(),
        value: "one".into(),
        version,
        expires_at: Some(now() + Duration::HOUR),
    };
    assert_eq!(get(records, "k", now()).await, Some(expected));

    put(records, Write::put(key("ü/日本"), "two")).await;
    let keys = [key("none"), key("ü/日本"), key("k")];
    let found = records.get(&tenant("ada"), &keys, now()).await.expect("reads");
    let values: Vec<Option<&[u8]>> = found.iter().map(|r| r.as_ref().map(|r| &r.value[..])).collect();
    assert_eq!(values, [None, Some(&b"two"[..]), Some(b"one")]);
    assert!(records.get(&tenant("ada"), &[], now()).await.expect("reads").is_empty());

    assert_eq!(put(records, Write::delete(key("k"))).await, 0);
    assert_eq!(get(records, "k", now()).await, None);
    assert_eq!(
        put(records, Write::delete(key("k"))).await,
        0,
        "nothing to delete is no failure"
    );
}

async fn an_expired_record_is_not_there(records: &impl Records) {
    let end = now() + Duration::MINUTE;
    let version = put(records, Write::put(key("k"), "v").until(end)).await;
    assert!(get(records, "k", end - Duration::SECOND).await.is_some());
    assert!(get(records, "k", end).await.is_none());
    let scan = Scan::prefix("db", "tbl", "");
    assert!(records.scan(&tenant("ada"), scan, end).await.expect("scans").is_empty());

    let stale = Write::put(key("k"), "w").expecting(Expect::Version(version));
    let lost = records.write(&tenant("ada"), vec![stale], end).await.expect("answers");
    assert_eq!(lost, Written::Lost(0), "an expired version is no version");
    let anew = Write::put(key("k"), "w").expecting(Expect::Absent);
    let done = records.write(&tenant("ada"), vec![anew], end).await.expect("answers");
    assert!(matches!(done, Written::Done(_)));
    assert_eq!(get(records, "k", end).await.expect("there").expires_at, None);
}

async fn conditions_decide_whether_a_write_happens(records: &impl Records) {
    let write = |write: Write| async move {
        records
            .write(&tenant("ada"), vec![write], now())
            .await
            .expect("answers")
    };
    let lost = Written::Lost(0);
    assert_eq!(
        write(Write::put(key("k"), "x").expecting(Expect::Version(1))).await,
        lost
    );
    let Written::Done(first) = write(Write::put(key("k"), "one").expecting(Expect::Absent)).await else {
        panic!("it was absent")
    };
    assert_eq!(write(Write::put(key("k"), "x").expecting(Expect::Absent)).await, lost);
    assert_eq!(
        write(Write::put(key("k"), "x").expecting(Expect::Version(first[0] + 1))).await,
        lost
    );
    assert_eq!(
        write(Write::put(key("k"), "x").expecting(Expect::Version(u64::MAX))).await,
        lost
    );
    assert_eq!(
        write(Write::put(key("k"), "x").expecting(Expect::Version(0))).await,
        lost
    );
    assert_eq!(write(Write::delete(key("k")).expecting(Expect::Absent)).await, lost);
    let Written::Done(second) = write(Write::put(key("k"), "two").expecting(Expect::Version(first[0]))).await else {
        panic!("that was its version")
    };
    assert_eq!(
        write(Write::delete(key("k")).expecting(Expect::Version(first[0]))).await,
        lost
    );
    assert_eq!(get(records, "k", now()).await.expect("there").value, "two");
    assert_eq!(
        write(Write::delete(key("k")).expecting(Expect::Version(second[0]))).await,
        Written::Done(vec![0])
    );
    assert_eq!(
        write(Write::delete(key("k")).expecting(Expect::Version(second[0]))).await,
        lost
    );
    assert_eq!(
        write(Write::delete(key("k")).expecting(Expect::Absent)).await,
        Written::Done(vec![0])
    );
}

async fn a_batch_happens_whole_or_not_at_all(records: &impl Records) {
    put(records, Write::put(key("b"), "old")).await;
    let batch = vec![
        Write::put(key("z"), "1"),
        Write::put(key("b"), "2").expecting(Expect::Absent),
        Write::put(key("a"), "3"),
    ];
    let lost = records
        .write(&tenant("ada"), batch.clone(), now())
        .await
        .expect("answers");
    assert_eq!(lost, Written::Lost(1));
    assert!(get(records, "z", now()).await.is_none() && get(records, "a", now()).await.is_none());

    put(records, Write::delete(key("b"))).await;
    let Written::Done(versions) = records.write(&tenant("ada"), batch, now()).await.expect("answers") else {
        panic!("it was absent")
    };
    for (version, of) in versions.into_iter().zip(["z", "b", "a"]) {
        assert_eq!(get(records, of, now()).await.expect("there").version, version, "{of}");
    }
    let none = records.write(&tenant("ada"), Vec::new(), now()).await.expect("answers");
    assert_eq!(none, Written::Done(Vec::new()));
}

async fn versions_grow_even_across_a_deletion(records: &impl Records) {
    let first = put(records, Write::put(key("k"), "1")).await;
    let second = put(records, Write::put(key("k"), "2")).await;
    put(records, Write::delete(key("k"))).await;
    let third = put(records, Write::put(key("k"), "3")).await;
    assert!(
        0 < first && first < second && second < third,
        "{first} {second} {third}"
    );
}

async fn scans_are_ordered_bounded_and_go_on_from_a_cursor(records: &impl Records) {
    let names = ["a", "a/1", "a/2", "a0", "b", "Z", "é", "~"];
    let batch = names.map(|name| Write::put(key(name), name.to_owned())).to_vec();
    records.write(&tenant("ada"), batch, now()).await.expect("writes");
    let mut sorted = names.map(str::to_owned);
    sorted.sort();
    let keys = |scan: Scan| async move {
        let found = records.scan(&tenant("ada"), scan, now()).await.expect("scans");
        found.into_iter().map(|record| record.key).collect::<Vec<_>>()
    };
    let all = || Scan::prefix("db", "tbl", "");
    assert_eq!(keys(all()).await, sorted, "bytewise");
    assert_eq!(keys(Scan::prefix("db", "tbl", "a/")).await, ["a/1", "a/2"]);
    assert_eq!(keys(Scan::prefix("db", "tbl", "a/").descending()).await, ["a/2", "a/1"]);
    assert_eq!(keys(all().limit(2)).await, sorted[..2]);
    assert_eq!(keys(all().limit(3).after(&sorted[1])).await, sorted[2..5]);
    assert_eq!(keys(all().descending().limit(2).after("b")).await, ["a0", "a/2"]);
    let range = |from, to| Scan { from, to, ..all() };
    let (a, b) = (|| "a".to_owned(), || "b".to_owned());
    assert_eq!(
        keys(range(Bound::Included(a()), Bound::Included(b()))).await,
        ["a", "a/1", "a/2", "a0", "b"]
    );
    assert_eq!(
        keys(range(Bound::Excluded(a()), Bound::Excluded(b()))).await,
        ["a/1", "a/2", "a0"]
    );
    assert_eq!(keys(range(Bound::Unbounded, Bound::Excluded(a()))).await, ["Z"]);
    assert_eq!(keys(range(Bound::Included(b()), Bound::Included(a()))).await, [""; 0]);
    assert_eq!(keys(range(Bound::Excluded(a()), Bound::Included(a()))).await, [""; 0]);
    assert_eq!(keys(range(Bound::Included(a()), Bound::Included(a()))).await, ["a"]);
    let refused = records
        .scan(&tenant("ada"), Scan { limit: 1_001, ..all() }, now())
        .await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))));
}

async fn a_scan_stays_in_its_table(records: &impl Records) {
    for (database, table) in [
        ("db", "tbl"),
        ("db", "tbl2"),
        ("db", "tb"),
        ("db2", "tbl"),
        ("d", "tbl"),
    ] {
        put(
            records,
            Write::put(Key::tenant(database, table, "k").expect("plain"), table),
        )
        .await;
    }
    for scan in [
        Scan::prefix("db", "tbl", ""),
        Scan::prefix("db", "tbl", "").descending(),
    ] {
        let unbounded = Scan {
            from: Bound::Unbounded,
            to: Bound::Unbounded,
            ..scan.clone()
        };
        for scan in [scan, unbounded] {
            let found = records.scan(&tenant("ada"), scan, now()).await.expect("scans");
            assert_eq!(
                found.iter().map(|record| &record.value[..]).collect::<Vec<_>>(),
                [b"tbl"]
            );
        }
    }
}

async fn namespaces_do_not_meet(records: &impl Records) {
    put(records, Write::put(key("k"), "ada's")).await;
    let bob = tenant("bob");
    assert_eq!(
        records.get(&bob, &[key("k"), key("l")], now()).await.expect("reads"),
        [None, None]
    );
    assert_eq!(records.get(&bob, &[key("k")], now()).await.expect("reads"), [None]);
    assert!(
        records
            .scan(&bob, Scan::prefix("db", "tbl", ""), now())
            .await
            .expect("scans")
            .is_empty()
    );
    assert!(records.tables(&bob).await.expect("lists").is_empty());
    let absent = Write::put(key("k"), "bob's").expecting(Expect::Absent);
    assert!(matches!(
        records.write(&bob, vec![absent], now()).await.expect("writes"),
        Written::Done(_)
    ));
    records
        .write(&bob, vec![Write::delete(key("k"))], now())
        .await
        .expect("writes");
    assert_eq!(get(records, "k", now()).await.expect("untouched").value, "ada's");
}

async fn tables_are_listed_without_cores(records: &impl Records) {
    for (database, table) in [("b", "x"), ("a", "y"), ("a", "x")] {
        for k in ["1", "2"] {
            put(records, Write::put(Key::tenant(database, table, k).expect("plain"), "")).await;
        }
    }
    put(records, Write::put(Key::core("auth/accounts", "ada"), "secret")).await;
    let listed = records.tables(&tenant("ada")).await.expect("lists");
    assert_eq!(
        listed,
        [("a", "x"), ("a", "y"), ("b", "x")].map(|(d, t)| (d.to_owned(), t.to_owned()))
    );
    let core = records
        .scan(&tenant("ada"), Scan::core("auth/accounts", ""), now())
        .await
        .expect("scans");
    assert_eq!(core.len(), 1);
}

async fn unacceptable_keys_are_refused(records: &impl Records) {
    assert!(Key::tenant("\u{1}core", "t", "k").is_err());
    assert!(Key::tenant("d", "t\n", "k").is_err());
    assert!(Scan::tenant("\u{1}core", "t", "").is_err());
    let long = "k".repeat(4_000);
    for (d, t, k) in [
        ("a\0b", "t", "k"),
        ("d", "a\0b", "k"),
        ("d", "t", "a\0b"),
        ("d", "t", long.as_str()),
    ] {
        let bad = Key {
            database: d.into(),
            table: t.into(),
            key: k.into(),
        };
        let refused = |done: StoreError| matches!(done, StoreError::Invalid(_));
        assert!(
            records
                .get(&tenant("ada"), std::slice::from_ref(&bad), now())
                .await
                .is_err_and(refused)
        );
        let write = vec![Write::put(bad, "v")];
        assert!(records.write(&tenant("ada"), write, now()).await.is_err_and(refused));
        assert!(
            records
                .scan(&tenant("ada"), Scan::prefix(d, t, k), now())
                .await
                .is_err_and(refused)
        );
    }
    let twice = vec![Write::put(key("k"), "1"), Write::delete(key("k"))];
    let refused = records.write(&tenant("ada"), twice, now()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))));
    put(records, Write::put(key(&"k".repeat(1_900)), "v")).await;
}

async fn of_many_writers_one_wins_each_round(records: &impl Records) {
    let add_one = || async {
        loop {
            let found = get(records, "count", now()).await;
            let (count, expect) = match found {
                Some(record) => {
                    let count: u32 = String::from_utf8(record.value.to_vec())
                        .expect("text")
                        .parse()
                        .expect("a number");
                    (count, Expect::Version(record.version))
                }
                None => (0, Expect::Absent),
            };
            let write = Write::put(key("count"), (count + 1).to_string()).expecting(expect);
            let done = records
                .write(&tenant("ada"), vec![write], now())
                .await
                .expect("answers");
            if matches!(done, Written::Done(_)) {
                return;
            }
        }
    };
    futures::future::join_all((0..8).map(|_| async {
        for _ in 0..5 {
            add_one().await;
        }
    }))
    .await;
    assert_eq!(get(records, "count", now()).await.expect("there").value, "40");
}

async fn the_sweep_removes_what_has_expired_and_nothing_else(records: &impl Records) {
    let end = now() + Duration::MINUTE;
    for n in 0..5 {
        put(records, Write::put(key(&format!("dead/{n}")), "v").until(end)).await;
    }
    put(records, Write::put(key("longer"), "v").until(end + Duration::HOUR)).await;
    put(records, Write::put(key("for good"), "v")).await;
    // Extended meanwhile: its first expiry no longer counts.
    put(records, Write::put(key("dead/0"), "v").until(end + Duration::HOUR)).await;
    let bob = tenant("bob");
    records
        .write(&bob, vec![Write::put(key("his"), "v").until(end)], now())
        .await
        .expect("writes");

    assert_eq!(records.sweep(now(), 100).await.expect("sweeps"), 0);
    assert_eq!(records.sweep(end, 3).await.expect("sweeps"), 3);
    assert_eq!(records.sweep(end, 100).await.expect("sweeps"), 2);
    assert_eq!(records.sweep(end, 100).await.expect("sweeps"), 0);
    for of in ["longer", "for good", "dead/0"] {
        assert!(get(records, of, end).await.is_some(), "{of}");
    }
}

async fn big_values_and_empty_ones(records: &impl Records) {
    let big = vec![7; 1 << 20];
    put(records, Write::put(key("big"), big.clone())).await;
    put(records, Write::put(key("empty"), "")).await;
    assert_eq!(get(records, "big", now()).await.expect("there").value, big);
    assert_eq!(get(records, "empty", now()).await.expect("there").value, "");
}

//! What Records promises, on every back end.

use std::ops::Bound;

use micro_clock::Clock;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Records, Scan, Usage, Write, Written},
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
    an_end_belongs_to_a_range_or_not_whatever_lies_beside_it
    a_scan_stays_in_its_table
    namespaces_do_not_meet
    tables_are_listed_without_cores
    unacceptable_keys_are_refused
    of_many_writers_one_wins_each_round
    the_sweep_removes_what_has_expired_and_nothing_else
    big_values_and_empty_ones
    a_page_ends_before_it_has_too_many_bytes
    what_is_kept_is_counted_and_given_back
    a_namespace_is_erased_and_no_other
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

async fn an_end_belongs_to_a_range_or_not_whatever_lies_beside_it(records: &impl Records) {
    let names = ["k", "k\u{1}", "k\u{1}\u{1}", "k ", "l"];
    let batch = names.map(|name| Write::put(key(name), "")).to_vec();
    records.write(&tenant("ada"), batch, now()).await.expect("writes");
    let of = |text: &str| text.to_owned();
    for descending in [false, true] {
        let keys = |from: Bound<String>, to: Bound<String>| async move {
            let all = Scan::prefix("db", "tbl", "");
            let found = records
                .scan(
                    &tenant("ada"),
                    Scan {
                        from,
                        to,
                        descending,
                        ..all
                    },
                    now(),
                )
                .await;
            let mut keys: Vec<String> = found.expect("scans").into_iter().map(|record| record.key).collect();
            if descending {
                keys.reverse();
            }
            keys
        };
        use Bound::{Excluded, Included, Unbounded};
        assert_eq!(keys(Included(of("k")), Included(of("k"))).await, ["k"]);
        assert_eq!(keys(Included(of("k")), Excluded(of("k\u{1}"))).await, ["k"]);
        assert_eq!(keys(Excluded(of("k")), Included(of("k\u{1}"))).await, ["k\u{1}"]);
        assert_eq!(
            keys(Excluded(of("k")), Excluded(of("k "))).await,
            ["k\u{1}", "k\u{1}\u{1}"]
        );
        assert_eq!(
            keys(Excluded(of("k\u{1}")), Unbounded).await,
            ["k\u{1}\u{1}", "k ", "l"]
        );
        assert_eq!(keys(Unbounded, Excluded(of("k\u{1}\u{1}"))).await, ["k", "k\u{1}"]);
    }
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

async fn a_page_ends_before_it_has_too_many_bytes(records: &impl Records) {
    let sizes = [("a", 10), ("b", 20), ("c", 500), ("d", 10), ("e", 2_000_000), ("f", 10)];
    for (name, size) in sizes {
        put(records, Write::put(key(name), vec![7; size])).await;
    }
    put(records, Write::put(key("aa"), "").until(now())).await;
    let pages = |scan: Scan| async move {
        let (mut scan, mut pages) = (scan, Vec::new());
        loop {
            let page = records.scan(&tenant("ada"), scan.clone(), now()).await.expect("scans");
            let Some(last) = page.last() else { return pages };
            scan = scan.after(&last.key);
            pages.push(page.iter().map(|record| record.key.as_str()).collect::<String>());
        }
    };
    let all = Scan::prefix("db", "tbl", "");
    assert_eq!(pages(all.clone().max_bytes(32)).await, ["ab", "c", "d", "e", "f"]);
    assert_eq!(pages(all.clone().max_bytes(31)).await, ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(pages(all.clone().max_bytes(543)).await, ["abc", "d", "e", "f"]);
    assert_eq!(pages(all.clone().descending().max_bytes(600)).await, ["f", "e", "dcba"]);
    assert_eq!(pages(all.clone().max_bytes(0)).await.len(), 6, "one at least");
    assert_eq!(pages(all.clone().max_bytes(600).limit(2)).await, ["ab", "cd", "e", "f"]);
    let unbounded = Scan {
        from: Bound::Unbounded,
        to: Bound::Unbounded,
        ..all.max_bytes(600)
    };
    assert_eq!(pages(unbounded.clone()).await, ["abcd", "e", "f"]);
    assert_eq!(pages(unbounded.descending()).await, ["f", "e", "dcba"]);
}

async fn what_is_kept_is_counted_and_given_back(records: &impl Records) {
    let usage = |of: &'static str| async move {
        let usage = records.usage(&tenant(of)).await.expect("asks");
        (usage.keys, usage.bytes)
    };
    // Database and table have five bytes together.
    assert_eq!(usage("ada").await, (0, 0));
    put(records, Write::put(key("one"), "12345")).await;
    put(records, Write::put(Key::core("t", "k"), "core's do not count")).await;
    assert_eq!(usage("ada").await, (1, 13));
    put(records, Write::put(key("one"), "")).await;
    assert_eq!(usage("ada").await, (1, 8));
    let batch = vec![
        Write::put(key("two"), "22"),
        Write::delete(key("one")),
        Write::put(key("three"), "333").until(now()),
    ];
    records.write(&tenant("ada"), batch, now()).await.expect("writes");
    assert_eq!(
        usage("ada").await,
        (2, 10 + 13),
        "what has expired counts as long as it is there"
    );
    let lost = vec![
        Write::put(key("x"), "x"),
        Write::put(key("two"), "x").expecting(Expect::Absent),
    ];
    let lost = records.write(&tenant("ada"), lost, now()).await.expect("answers");
    assert_eq!((lost, usage("ada").await), (Written::Lost(1), (2, 23)));
    assert_eq!(records.sweep(now(), 10).await.expect("sweeps"), 1);
    assert_eq!((usage("ada").await, usage("bob").await), ((1, 10), (0, 0)));
    put(records, Write::put(key("dead"), "1").until(now())).await;
    put(records, Write::delete(key("dead")).expecting(Expect::Absent)).await;
    assert_eq!(
        usage("ada").await,
        (1, 10),
        "a deletion of what has expired gives it back"
    );
    put(records, Write::delete(key("two"))).await;
    assert_eq!(usage("ada").await, (0, 0));
}

async fn a_namespace_is_erased_and_no_other(records: &impl Records) {
    let bob = tenant("bob");
    records
        .write(&bob, vec![Write::put(key("k"), "bob's")], now())
        .await
        .expect("writes");
    for n in 0..3 {
        let batch = (0..50).map(|k| Write::put(key(&format!("{n}/{k}")), "v").until(now() + Duration::DAY));
        records
            .write(&tenant("ada"), batch.collect(), now())
            .await
            .expect("writes");
    }
    put(records, Write::put(Key::core("auth/accounts", "ada"), "secret")).await;
    records.erase(&tenant("ada")).await.expect("erases");
    records.erase(&tenant("ada")).await.expect("nothing left to erase");
    assert!(get(records, "0/1", now()).await.is_none());
    let core = records
        .get(&tenant("ada"), &[Key::core("auth/accounts", "ada")], now())
        .await
        .expect("reads");
    assert_eq!(core, [None]);
    assert_eq!(records.usage(&tenant("ada")).await.expect("asks"), Usage::default());
    assert_eq!(
        records.sweep(now() + Duration::DAY * 2, 1_000).await.expect("sweeps"),
        0
    );
    assert_eq!(records.usage(&bob).await.expect("asks").keys, 1);
    put(records, Write::put(key("k"), "anew")).await;
    assert_eq!(records.usage(&tenant("ada")).await.expect("asks").keys, 1);
}

/// Two records of at most a hundred bytes together: run on every back end in [`crate::quotas`].
pub async fn a_quota_is_kept_to_the_byte(records: &impl Records) {
    let ada = tenant("ada");
    let write = |batch: Vec<Write>| async { records.write(&tenant("ada"), batch, now()).await };
    let reached = |done: Result<Written, StoreError>| match done {
        Err(StoreError::LimitReached(reached)) => (reached.0.limit.name, reached.0.limit.max, reached.0.used),
        done => panic!("{done:?}"),
    };
    let (a, b, c) = (|| key("a"), || key("b"), || key("c"));
    write(vec![Write::put(a(), vec![0; 44])]).await.expect("fifty bytes");
    assert_eq!(
        reached(write(vec![Write::put(b(), vec![0; 45])]).await),
        ("bytes", 100, 50)
    );
    write(vec![Write::put(b(), vec![0; 44])]).await.expect("to the byte");
    assert_eq!(
        reached(write(vec![Write::put(a(), vec![0; 45])]).await),
        ("bytes", 100, 100)
    );
    assert_eq!(reached(write(vec![Write::put(c(), "")]).await), ("records", 2, 2));
    write(vec![Write::put(c(), ""), Write::delete(a())])
        .await
        .expect("one for another");
    assert_eq!(
        reached(write(vec![Write::delete(b()), Write::put(a(), ""), Write::put(key("d"), "")]).await),
        ("records", 2, 2)
    );
    assert!(get(records, "b", now()).await.is_some(), "a refused batch did nothing");
    write(vec![Write::put(Key::core("t", "k"), vec![0; 1_000])])
        .await
        .expect("core's are exempt");
    records
        .write(&tenant("bob"), vec![Write::put(a(), vec![0; 90])], now())
        .await
        .expect("another's quota is another's");
    let many = (0..20).map(|n| {
        let (records, ada) = (&records, &ada);
        async move {
            records
                .write(ada, vec![Write::put(key(&format!("n{n}")), "")], now())
                .await
                .is_ok()
        }
    });
    assert!(
        futures::future::join_all(many)
            .await
            .into_iter()
            .all(|written| !written)
    );
    write(vec![Write::delete(b())]).await.expect("deletes");
    let many = (0..20).map(|n| {
        let (records, ada) = (&records, &ada);
        async move {
            records
                .write(ada, vec![Write::put(key(&format!("n{n}")), "")], now())
                .await
                .is_ok()
        }
    });
    let fitted = futures::future::join_all(many)
        .await
        .into_iter()
        .filter(|written| *written)
        .count();
    assert_eq!(fitted, 1, "of twenty at once one fits");
}

//! What Log promises, on every back end.

use bytes::Bytes;
use micro_clock::Clock;
use micro_storage::{
    StoreError,
    log::{Append, Appended, Extent, Log},
};
use micro_tenancy::Tenant;
use micro_testkit::{TestClock, tenant};
use time::{Duration, OffsetDateTime};

use crate::backends::on_every_back_end;

on_every_back_end! { log:
    offsets_are_dense_from_zero
    batches_of_one_call_keep_their_order_and_their_own_results
    reads_start_anywhere_and_stop_at_the_limit
    an_offset_is_found_by_time
    time_never_runs_backwards_within_a_topic
    what_is_trimmed_is_gone_and_offsets_are_not_used_again
    topics_and_namespaces_do_not_meet
    writers_at_once_leave_no_gap
    unacceptable_topics_are_refused
    big_batches_are_kept_whole_and_in_order
    a_namespaces_topics_are_erased_and_no_others
}

fn now() -> OffsetDateTime {
    TestClock::default().now()
}

fn batch<'t>(tenant: &'t Tenant, topic: &str, payloads: &[&'static str]) -> Append<'t> {
    let payloads = payloads
        .iter()
        .map(|payload| Bytes::from_static(payload.as_bytes()))
        .collect();
    Append {
        tenant,
        topic: topic.into(),
        payloads,
    }
}

async fn append(log: &impl Log, topic: &str, payloads: &[&'static str], at: OffsetDateTime) -> Appended {
    let ada = tenant("ada");
    log.append(vec![batch(&ada, topic, payloads)], at)
        .await
        .remove(0)
        .expect("appends")
}

async fn read(log: &impl Log, topic: &str, from: u64, limit: usize) -> Vec<(u64, String)> {
    let entries = log.read(&tenant("ada"), topic, from, limit).await.expect("reads");
    entries
        .into_iter()
        .map(|e| (e.offset, String::from_utf8(e.payload.to_vec()).expect("text")))
        .collect()
}

async fn offsets_are_dense_from_zero(log: &impl Log) {
    let ada = tenant("ada");
    assert_eq!(log.extent(&ada, "t").await.expect("asks"), Extent::default());
    assert!(read(log, "t", 0, 10).await.is_empty());
    assert_eq!(
        append(log, "t", &["a", "b"], now()).await,
        Appended { first: 0, count: 2 }
    );
    assert_eq!(
        append(log, "t", &["", "d"], now()).await,
        Appended { first: 2, count: 2 }
    );
    assert_eq!(log.extent(&ada, "t").await.expect("asks"), Extent { start: 0, next: 4 });
    let all: Vec<_> = ["a", "b", "", "d"]
        .into_iter()
        .zip(0..)
        .map(|(text, at)| (at, text.to_owned()))
        .collect();
    assert_eq!(read(log, "t", 0, 10).await, all);
}

async fn batches_of_one_call_keep_their_order_and_their_own_results(log: &impl Log) {
    let (ada, bob) = (tenant("ada"), tenant("bob"));
    let batches = vec![
        batch(&ada, "t", &["a0", "a1"]),
        batch(&bob, "t", &["b0"]),
        batch(&ada, "t", &[]),
        batch(&ada, "bad\0", &["x"]),
        batch(&ada, "t", &["a2"]),
        batch(&ada, "u", &["u0"]),
    ];
    let results = log.append(batches, now()).await;
    let firsts: Vec<Option<u64>> = results.iter().map(|r| r.as_ref().ok().map(|done| done.first)).collect();
    assert_eq!(firsts, [Some(0), Some(0), None, None, Some(2), Some(0)]);
    assert!(matches!(results[2], Err(StoreError::Invalid(_))) && matches!(results[3], Err(StoreError::Invalid(_))));
    let texts: Vec<String> = read(log, "t", 0, 10).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["a0", "a1", "a2"]);
}

async fn reads_start_anywhere_and_stop_at_the_limit(log: &impl Log) {
    // More chunks than one read of the SQL back end takes.
    let ada = tenant("ada");
    for _ in 0..70 {
        append(log, "t", &["x", "y", "z"], now()).await;
    }
    assert_eq!(log.extent(&ada, "t").await.expect("asks").next, 210);
    let offsets = |entries: Vec<(u64, String)>| entries.into_iter().map(|(offset, _)| offset).collect::<Vec<_>>();
    assert_eq!(offsets(read(log, "t", 0, 1_000).await), (0..210).collect::<Vec<_>>());
    assert_eq!(offsets(read(log, "t", 100, 5).await), [100, 101, 102, 103, 104]);
    assert_eq!(offsets(read(log, "t", 2, 2).await), [2, 3]);
    assert_eq!(offsets(read(log, "t", 1, 205).await), (1..206).collect::<Vec<_>>());
    assert_eq!(offsets(read(log, "t", 209, 10).await), [209]);
    assert!(read(log, "t", 210, 10).await.is_empty() && read(log, "t", u64::MAX, 10).await.is_empty());
    assert!(read(log, "t", 0, 0).await.is_empty());
}

async fn an_offset_is_found_by_time(log: &impl Log) {
    let ada = tenant("ada");
    assert_eq!(log.offset_at(&ada, "t", now()).await.expect("finds"), 0);
    for minute in 0..5 {
        append(log, "t", &["x", "y"], now() + Duration::minutes(minute)).await;
    }
    for (at, offset) in [
        (now() - Duration::DAY, 0),
        (now(), 0),
        (now() + Duration::SECOND, 2),
        (now() + Duration::minutes(3), 6),
        (now() + Duration::minutes(4), 8),
        (now() + Duration::minutes(5), 10),
    ] {
        assert_eq!(log.offset_at(&ada, "t", at).await.expect("finds"), offset, "{at}");
    }
    let entries = log.read(&ada, "t", 6, 1).await.expect("reads");
    assert_eq!(entries[0].at, now() + Duration::minutes(3));
}

async fn time_never_runs_backwards_within_a_topic(log: &impl Log) {
    append(log, "t", &["x"], now()).await;
    append(log, "t", &["y"], now() - Duration::HOUR).await;
    let entries = log.read(&tenant("ada"), "t", 0, 10).await.expect("reads");
    assert_eq!(entries[1].at, now());
}

async fn what_is_trimmed_is_gone_and_offsets_are_not_used_again(log: &impl Log) {
    let ada = tenant("ada");
    log.trim(&ada, "t", 5).await.expect("nothing to trim");
    for _ in 0..4 {
        append(log, "t", &["x", "y"], now()).await;
    }
    log.trim(&ada, "t", 4).await.expect("trims");
    assert_eq!(log.extent(&ada, "t").await.expect("asks"), Extent { start: 4, next: 8 });
    assert_eq!(read(log, "t", 0, 1).await[0].0, 4, "reads go on at the oldest kept");
    assert_eq!(log.offset_at(&ada, "t", now()).await.expect("finds"), 4);
    log.trim(&ada, "t", u64::MAX).await.expect("trims");
    assert_eq!(log.extent(&ada, "t").await.expect("asks"), Extent { start: 8, next: 8 });
    assert_eq!(log.offset_at(&ada, "t", now()).await.expect("finds"), 8);
    assert_eq!(append(log, "t", &["z"], now()).await.first, 8);
}

async fn topics_and_namespaces_do_not_meet(log: &impl Log) {
    append(log, "t", &["x"], now()).await;
    append(log, "t2", &["y"], now()).await;
    let bob = tenant("bob");
    assert_eq!(log.extent(&bob, "t").await.expect("asks"), Extent::default());
    assert!(log.read(&bob, "t", 0, 10).await.expect("reads").is_empty());
    log.trim(&bob, "t", u64::MAX).await.expect("nothing of his");
    assert_eq!(read(log, "t", 0, 10).await, [(0, "x".to_owned())]);
}

async fn writers_at_once_leave_no_gap(log: &impl Log) {
    let writers = (0..8).map(|_| async {
        for _ in 0..5 {
            append(log, "t", &["x", "y"], now()).await;
        }
    });
    futures::future::join_all(writers).await;
    let offsets: Vec<u64> = read(log, "t", 0, 1_000)
        .await
        .into_iter()
        .map(|(offset, _)| offset)
        .collect();
    assert_eq!(offsets, (0..80).collect::<Vec<_>>());
}

async fn unacceptable_topics_are_refused(log: &impl Log) {
    let ada = tenant("ada");
    for bad in ["a\0b", &"t".repeat(2_000)] {
        let refused = |error: StoreError| matches!(error, StoreError::Invalid(_));
        assert!(log.read(&ada, bad, 0, 1).await.is_err_and(refused));
        assert!(log.extent(&ada, bad).await.is_err_and(refused));
        assert!(log.offset_at(&ada, bad, now()).await.is_err_and(refused));
        assert!(log.trim(&ada, bad, 1).await.is_err_and(refused));
    }
}

async fn big_batches_are_kept_whole_and_in_order(log: &impl Log) {
    let ada = tenant("ada");
    let payload = |n: u8| Bytes::from(vec![n; 300_000]);
    let append = |payloads: Vec<Bytes>| Append {
        tenant: &ada,
        topic: "t".into(),
        payloads,
    };
    let batches = vec![
        append(vec![payload(0)]),
        append(vec![Bytes::from_static(b"small")]),
        append((1..4).map(payload).collect()),
    ];
    let results = log.append(batches, now()).await;
    let firsts: Vec<u64> = results.into_iter().map(|done| done.expect("appended").first).collect();
    assert_eq!(firsts, [0, 1, 2]);
    let entries = log.read(&ada, "t", 0, 10).await.expect("reads");
    let lengths: Vec<usize> = entries.iter().map(|entry| entry.payload.len()).collect();
    assert_eq!(lengths, [300_000, 5, 300_000, 300_000, 300_000]);
    assert_eq!(entries[4].payload, payload(3));
}

async fn a_namespaces_topics_are_erased_and_no_others(log: &impl Log) {
    let (ada, bob) = (tenant("ada"), tenant("bob"));
    for topic in ["t", "u", "\u{10ffff}"] {
        append(log, topic, &["x", "y"], now()).await;
    }
    log.append(vec![batch(&bob, "t", &["his"])], now())
        .await
        .remove(0)
        .expect("appends");
    log.erase(&ada).await.expect("erases");
    log.erase(&ada).await.expect("nothing left to erase");
    for topic in ["t", "u", "\u{10ffff}"] {
        assert_eq!(log.extent(&ada, topic).await.expect("asks"), Extent::default());
        assert!(read(log, topic, 0, 10).await.is_empty());
    }
    assert_eq!(log.extent(&bob, "t").await.expect("asks").next, 1);
    assert_eq!(append(log, "t", &["anew"], now()).await.first, 0);
}

//! Leases: one holder at a time.

use std::{sync::Arc, time::Duration as Real};

use micro_clock::Clock;
use micro_storage::leases::Lease;
use micro_tenancy::SystemTask;
use micro_testkit::{TestClock, TestDb};
use time::Duration;
use tokio_util::sync::CancellationToken;

const LASTS: Real = Real::from_secs(30);

#[tokio::test]
async fn one_holder_until_it_expires_or_is_given_back() {
    let test = TestDb::new().await;
    let (db, clock) = (test.db().await.system(SystemTask::Lease), TestClock::default());
    let first = Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("free");
    let held = Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .err()
        .expect("held");
    assert_eq!(held.until, clock.now() + LASTS);
    Lease::take(&db, "another", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("free");

    clock.advance(Duration::seconds(20));
    assert!(first.renew(clock.now()).await.expect("renews"));
    clock.advance(Duration::seconds(20));
    assert!(
        Lease::take(&db, "server", LASTS, clock.now())
            .await
            .expect("asks")
            .is_err()
    );

    clock.advance(Duration::seconds(20));
    let second = Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("expired");
    assert!(second.fence() > first.fence());
    assert!(!first.renew(clock.now()).await.expect("asks"), "lost");
    first.release().await.expect("nothing to give back");
    assert!(
        Lease::take(&db, "server", LASTS, clock.now())
            .await
            .expect("asks")
            .is_err()
    );
    second.release().await.expect("gives back");
    Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("free again");
}

#[tokio::test]
async fn a_dead_holders_lease_is_taken_over_at_once() {
    let test = TestDb::new().await;
    let (db, clock) = (test.db().await.system(SystemTask::Lease), TestClock::default());
    let dead = Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("free");
    // The same id, of a process that started at another time.
    test.as_superuser("update leases set holder = regexp_replace(holder, '/[0-9]+/([0-9a-f]+)$', '/1/\\1')")
        .await;
    let next = Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("its holder is dead");
    assert!(next.fence() > dead.fence());
}

#[tokio::test]
async fn a_kept_lease_is_given_back_when_told_to_stop() {
    let test = TestDb::new().await;
    let (db, clock) = (test.db().await.system(SystemTask::Lease), TestClock::default());
    let lease = Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("free");
    let stop = CancellationToken::new();
    let kept = tokio::spawn(lease.keep(Arc::new(clock.clone()), stop.clone()));
    stop.cancel();
    assert!(kept.await.expect("ends"));
    Lease::take(&db, "server", LASTS, clock.now())
        .await
        .expect("asks")
        .expect("free again");
}

#[tokio::test]
async fn whoever_finds_a_lease_taken_reads_what_its_holder_says() {
    let test = TestDb::new().await;
    let (db, clock) = (test.db().await.system(SystemTask::Lease), TestClock::default());
    let take = |note: &'static str| {
        let (db, now) = (db.clone(), clock.now());
        async move {
            Lease::take_noting(&db, "runtime", note, LASTS, now)
                .await
                .expect("asks")
        }
    };
    let first = take("at one").await.expect("free");
    assert_eq!(take("at two").await.err().expect("held").note, "at one");
    first.release().await.expect("gives back");
    take("at two").await.expect("free");
    assert_eq!(take("at three").await.err().expect("held").note, "at two");
}

//! Jobs: with their transaction or not at all, once where all goes well, again where it does not.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration as Real,
};

use micro_clock::Clock;
use micro_storage::{
    Db,
    jobs::{self, Job, Worker},
};
use micro_tenancy::SystemTask;
use micro_testkit::{TestClock, TestDb, authority, eventually, tenant};
use time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[derive(serde::Serialize, serde::Deserialize)]
struct Greet {
    name: String,
    key: Option<String>,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const TASK: SystemTask = SystemTask::Mail;
    const LIMIT: u32 = 3;

    fn dedupe_key(&self) -> Option<String> {
        self.key.clone()
    }
}

fn greet(name: &str) -> Greet {
    Greet {
        name: name.into(),
        key: None,
    }
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn all(&self) -> Vec<String> {
        self.0.lock().expect("whole").clone()
    }

    fn worker(&self, db: &Db, clock: &TestClock) -> Worker {
        let seen = self.0.clone();
        Worker::new(db, authority(), Arc::new(clock.clone())).on(move |job: Greet, run| {
            let namespace = run
                .tenant
                .map(|tenant| tenant.namespace().name.to_string())
                .unwrap_or_default();
            seen.lock()
                .expect("whole")
                .push(format!("{}@{namespace} {}", job.name, run.attempt));
            async { Ok(()) }
        })
    }
}

#[tokio::test]
async fn a_job_goes_with_its_transaction_and_knows_its_namespace() {
    let test = TestDb::new().await;
    let (db, clock, seen) = (test.db().await, TestClock::default(), Seen::default());
    let mut tx = db.begin(&tenant("ada")).await.expect("begins");
    jobs::queue(&mut tx, greet("kept"), clock.now()).await.expect("queues");
    tx.commit().await.expect("commits");
    let mut tx = db.begin(&tenant("ada")).await.expect("begins");
    jobs::queue(&mut tx, greet("rolled back"), clock.now())
        .await
        .expect("queues");
    drop(tx);
    let mut tx = db.system(SystemTask::Signup).begin().await.expect("begins");
    jobs::queue(&mut tx, greet("global"), clock.now())
        .await
        .expect("queues");
    jobs::queue_in(&mut tx, tenant("bob").namespace(), greet("his"), clock.now())
        .await
        .expect("queues");
    jobs::queue_at(&mut tx, greet("later"), clock.now() + Duration::MINUTE, clock.now())
        .await
        .expect("queues");
    tx.commit().await.expect("commits");

    let worker = seen.worker(&db, &clock);
    assert_eq!(worker.drain().await.expect("runs"), 3);
    let mut all = seen.all();
    all.sort();
    assert_eq!(all, ["global@ 1", "his@bob 1", "kept@ada 1"]);
    clock.advance(Duration::MINUTE);
    assert_eq!(worker.drain().await.expect("runs"), 1);
    assert_eq!(test.ask_superuser("select count(*) from jobs").await, ["0"]);
}

#[tokio::test]
async fn the_serving_role_queues_for_its_own_namespace_and_reads_nothing() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let mut tx = db.begin(&tenant("ada")).await.expect("begins");
    let forged = sqlx::query(
        "insert into jobs (namespace_id, job_id, namespace_name, kind, payload, queued_at, run_at)
         values ($1, $1, 'bob', 'greet', '{}', now(), now())",
    )
    .bind(tenant("bob").id().uuid())
    .execute(tx.conn())
    .await;
    assert!(forged.is_err_and(|error| error.to_string().contains("row-level security")));
    for statement in ["select 1 from jobs", "update jobs set attempts = 0", "delete from jobs"] {
        let mut tx = db.begin(&tenant("ada")).await.expect("begins");
        assert!(sqlx::query(statement).execute(tx.conn()).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_second_one_with_the_same_key_is_dropped_while_the_first_is_queued() {
    let test = TestDb::new().await;
    let (db, clock, seen) = (test.db().await, TestClock::default(), Seen::default());
    let again = || Greet {
        name: "ada".into(),
        key: Some("k".into()),
    };
    for (namespace, taken) in [("ada", true), ("ada", false), ("bob", true)] {
        let mut tx = db.begin(&tenant(namespace)).await.expect("begins");
        let id = jobs::queue(&mut tx, again(), clock.now()).await.expect("queues");
        assert_eq!(id.is_some(), taken, "{namespace}");
        tx.commit().await.expect("commits");
    }
    assert_eq!(seen.worker(&db, &clock).drain().await.expect("runs"), 2);
    let mut tx = db.begin(&tenant("ada")).await.expect("begins");
    assert!(
        jobs::queue(&mut tx, again(), clock.now())
            .await
            .expect("queues")
            .is_some()
    );
}

#[tokio::test]
async fn a_failing_job_backs_off_is_parked_after_its_limit_and_retried_by_hand() {
    let test = TestDb::new().await;
    let (db, clock) = (test.db().await, TestClock::default());
    let fails = Arc::new(AtomicU32::new(0));
    let counted = fails.clone();
    let worker = Worker::new(&db, authority(), Arc::new(clock.clone())).on(move |_: Greet, run| {
        let fails = counted.fetch_add(1, Ordering::Relaxed) < 3;
        async move {
            match (fails, run.attempt) {
                (true, 2) => panic!("a panic is a failure like any other"),
                (true, _) => Err("the sky is falling".into()),
                (false, _) => Ok(()),
            }
        }
    });
    let mut tx = db.system(SystemTask::Signup).begin().await.expect("begins");
    let id = jobs::queue(&mut tx, greet("ada"), clock.now())
        .await
        .expect("queues")
        .expect("new");
    tx.commit().await.expect("commits");

    for _ in 0..3 {
        assert_eq!(worker.drain().await.expect("runs"), 1);
        assert_eq!(worker.drain().await.expect("runs"), 0, "not before its time");
        clock.advance(Duration::seconds(5));
    }
    clock.advance(Duration::HOUR);
    assert_eq!(worker.drain().await.expect("runs"), 0, "parked");

    let system = db.system(SystemTask::Operators);
    let mut tx = system.begin().await.expect("begins");
    let parked = jobs::list(&mut tx, true, None).await.expect("lists");
    assert_eq!((parked.len(), parked[0].id, parked[0].attempts), (1, id, 3));
    assert_eq!(parked[0].last_error.as_deref(), Some("the sky is falling"));
    assert!(
        jobs::list(&mut tx, true, parked.last())
            .await
            .expect("lists")
            .is_empty()
    );
    assert!(jobs::retry(&mut tx, id, clock.now()).await.expect("retries"));
    tx.commit().await.expect("commits");
    assert_eq!(worker.drain().await.expect("runs"), 1);
    assert_eq!(test.ask_superuser("select count(*) from jobs").await, ["0"]);
}

#[tokio::test]
async fn a_worker_wakes_for_a_job_queued_here_and_stops_when_told() {
    let test = TestDb::new().await;
    let (db, clock, seen) = (test.db().await, TestClock::default(), Seen::default());
    let stop = CancellationToken::new();
    let running = tokio::spawn(seen.worker(&db, &clock).run(stop.clone()));
    for n in 1..=3 {
        let mut tx = db.begin(&tenant("ada")).await.expect("begins");
        jobs::queue(&mut tx, greet("ada"), clock.now()).await.expect("queues");
        tx.commit().await.expect("commits");
        eventually("run", Real::from_secs(10), || async { seen.all().len() == n }).await;
    }
    stop.cancel();
    running.await.expect("ends");
}

#[tokio::test]
async fn a_job_that_hangs_when_the_worker_stops_is_put_back_for_the_next() {
    let test = TestDb::new().await;
    let (db, clock, seen) = (test.db().await, TestClock::default(), Seen::default());
    let mut tx = db.system(SystemTask::Signup).begin().await.expect("begins");
    jobs::queue(&mut tx, greet("ada"), clock.now()).await.expect("queues");
    tx.commit().await.expect("commits");
    let begun = Arc::new(Notify::new());
    let has_begun = begun.clone();
    let hangs = Worker::new(&db, authority(), Arc::new(clock.clone()))
        .with_grace(Real::ZERO)
        .on(move |_: Greet, _| {
            has_begun.notify_one();
            std::future::pending()
        });
    let stop = CancellationToken::new();
    let running = tokio::spawn(hangs.run(stop.clone()));
    begun.notified().await;
    stop.cancel();
    running.await.expect("ends");
    assert_eq!(seen.worker(&db, &clock).drain().await.expect("runs"), 1);
    assert_eq!(seen.all(), ["ada@ 2"]);
}

#[tokio::test]
async fn many_workers_run_each_job_once() {
    let test = TestDb::new().await;
    let (clock, seen) = (TestClock::default(), Seen::default());
    let db = test
        .db_with(micro_storage::db::Options {
            serving: 2,
            system: 8,
            ..Default::default()
        })
        .await;
    let mut tx = db.system(SystemTask::Signup).begin().await.expect("begins");
    for n in 0..60 {
        jobs::queue(&mut tx, greet(&n.to_string()), clock.now())
            .await
            .expect("queues");
    }
    tx.commit().await.expect("commits");
    let workers: Vec<_> = (0..4).map(|_| seen.worker(&db, &clock)).collect();
    futures::future::join_all(
        workers
            .iter()
            .map(|worker| async { worker.drain().await.expect("runs") }),
    )
    .await;
    let mut all = seen.all();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), seen.all().len()), (60, 60));
}

#[tokio::test]
async fn whoever_lost_its_claim_cannot_finish_the_job() {
    let test = TestDb::new().await;
    let (db, clock, seen) = (test.db().await, TestClock::default(), Seen::default());
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (has_begun, may_go) = (begun.clone(), go.clone());
    let slow = Worker::new(&db, authority(), Arc::new(clock.clone())).on(move |_: Greet, _| {
        let (begun, go) = (has_begun.clone(), may_go.clone());
        async move {
            begun.notify_one();
            go.notified().await;
            Ok(())
        }
    });
    let mut tx = db.system(SystemTask::Signup).begin().await.expect("begins");
    jobs::queue(&mut tx, greet("ada"), clock.now()).await.expect("queues");
    tx.commit().await.expect("commits");
    let slow = tokio::spawn(async move { slow.drain().await });
    begun.notified().await;
    clock.advance(Duration::MINUTE);
    // The claim has run out, and another takes over and fails: the job must be there when the slow one is done.
    let failing = Worker::new(&db, authority(), Arc::new(clock.clone())).on(|_: Greet, _| async { Err("no".into()) });
    assert_eq!(failing.drain().await.expect("runs"), 1);
    go.notify_one();
    slow.await.expect("ends").expect("runs");
    assert_eq!(test.ask_superuser("select count(*) from jobs").await, ["1"]);
    clock.advance(Duration::MINUTE);
    assert_eq!(seen.worker(&db, &clock).drain().await.expect("runs"), 1);
    assert_eq!(seen.all(), ["ada@ 3"]);
}

#[tokio::test]
async fn what_a_dead_process_had_claimed_is_taken_over_at_once() {
    let test = TestDb::new().await;
    let (db, clock, seen) = (test.db().await, TestClock::default(), Seen::default());
    let mut tx = db.system(SystemTask::Signup).begin().await.expect("begins");
    jobs::queue(&mut tx, greet("ada"), clock.now()).await.expect("queues");
    tx.commit().await.expect("commits");
    let holder = micro_storage::Holder::here().to_string();
    let mut parts: Vec<&str> = holder.split('/').collect();
    parts[3] = "1";
    test.as_superuser(&format!(
        "update jobs set claimed_by = '{}', fence = 1, attempts = 1, run_at = run_at + interval '1 hour'",
        parts.join("/")
    ))
    .await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(seen.worker(&db, &clock).run(stop.clone()));
    eventually("run", Real::from_secs(10), || async { seen.all() == ["ada@ 2"] }).await;
    stop.cancel();
    running.await.expect("ends");
}

#[tokio::test]
async fn jobs_come_through_lost_races() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.2).await;
    let (db, clock, seen) = (proxy.db().await, TestClock::default(), Seen::default());
    for n in 0..10 {
        micro_storage::retrying(|| async {
            let mut tx = db.begin(&tenant("ada")).await?;
            jobs::queue(&mut tx, greet(&n.to_string()), clock.now()).await?;
            tx.commit().await
        })
        .await
        .expect("queues");
    }
    assert_eq!(seen.worker(&db, &clock).drain().await.expect("runs"), 10);
    assert_eq!(test.ask_superuser("select count(*) from jobs").await, ["0"]);
}

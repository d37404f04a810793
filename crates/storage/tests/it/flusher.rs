//! Appends of many callers in one commit: dense, in order, none in another's way.

use bytes::Bytes;
use micro_clock::Clock;
use micro_storage::{
    StoreError,
    log::{Append, Appended, Log},
    sql::SqlLog,
};
use micro_tenancy::Tenant;
use micro_testkit::{TestClock, TestDb, tenant};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::foreign::{Foreign, connect};

async fn append(log: &SqlLog, tenant: &Tenant, topic: &str, payload: impl Into<Bytes>) -> Result<Appended, StoreError> {
    let batch = Append {
        tenant,
        topic: topic.into(),
        payloads: vec![payload.into()],
    };
    log.append(vec![batch], TestClock::default().now()).await.remove(0)
}

#[tokio::test]
async fn many_topics_of_many_tenants_share_commits() {
    let test = TestDb::new().await;
    let log = crate::backends::sql(&test).await.log;
    let topics: Vec<(Tenant, String)> = (0..200)
        .map(|n| (tenant(&format!("tenant-{}", n % 20)), format!("topic-{}", n / 40)))
        .collect();
    let appends = topics.iter().map(|(of, topic)| append(&log, of, topic, topic.clone()));
    futures::future::try_join_all(appends).await.expect("appended");
    let commits = test
        .ask_superuser("select count(distinct xmin::text) from log_chunks")
        .await;
    let commits: usize = commits[0].parse().expect("a number");
    assert!(commits <= 20, "{commits} commits for two hundred appends at once");
    for (of, topic) in &topics {
        let entries = log.read(of, topic, 0, 100).await.expect("reads");
        let offsets: Vec<u64> = entries.iter().map(|entry| entry.offset).collect();
        assert_eq!(offsets, [0, 1], "{topic}");
        assert!(entries.iter().all(|entry| entry.payload == *topic));
    }
}

#[tokio::test]
async fn a_chunk_appended_in_anothers_scope_is_refused_by_the_policy() {
    let test = TestDb::new().await;
    let client = connect(&test).await;
    let namespaces: Vec<Uuid> = ["ada", "bob"].map(|name| tenant(name).id().uuid()).to_vec();
    for (function, scope) in [("log_append_scoped", "ns"), ("log_append_many_scoped", "u.ns")] {
        let statement = format!("select {function}($1, '{{{function},t}}', '{{1,1}}', array[now(), now()], '{{a,b}}')");
        let done = client.query_one(&statement, &[&namespaces]).await.expect(function);
        assert_eq!(done.get::<_, Vec<i64>>(0)[0], 0, "each in its own scope");
        test.as_superuser(&format!(
            "do $$ begin execute replace(pg_get_functiondef('{function}'::regproc),
                'set_config(''app.namespace_id'', {scope}::text, true)',
                'set_config(''app.namespace_id'', nss[1]::text, true)'); end $$"
        ))
        .await;
        let refused = client.query_one(&statement, &[&namespaces]).await;
        let refused = refused.expect_err("the second is another's");
        let refused = refused.as_db_error().expect("the database's").message();
        assert!(refused.contains("row-level security"), "{function}: {refused}");
    }
}

#[tokio::test]
async fn one_tenants_locked_head_keeps_nobody_else_waiting() {
    let test = TestDb::new().await;
    let log = crate::backends::sql(&test).await.log;
    let ada = tenant("ada");
    let others: Vec<Tenant> = (0..8).map(|n| tenant(&format!("tenant-{n}"))).collect();
    append(&log, &ada, "t", "x").await.expect("appended");
    let held = Foreign::hold(&test, &ada, "select topic from log_heads for update").await;
    let (done, mut finished) = mpsc::unbounded_channel();
    let locked_out = tokio::spawn({
        let (log, ada, done) = (log.clone(), ada.clone(), done.clone());
        async move {
            while let Err(refused) = append(&log, &ada, "t", "y").await {
                assert!(matches!(refused, StoreError::Busy(_)), "{refused:?}");
                done.send("refused").expect("heard");
            }
            done.send("ada").expect("heard");
        }
    });
    let rounds = tokio::spawn({
        let log = log.clone();
        async move {
            let mut stored = Ok(());
            for _ in 0..100 {
                let all = others.iter().map(|of| append(&log, of, "t", "z"));
                stored = stored.and(futures::future::try_join_all(all).await.map(drop));
            }
            done.send("others").expect("heard");
            stored
        }
    });
    let mut said = finished.recv().await.expect("somebody");
    while said == "refused" {
        said = finished.recv().await.expect("somebody");
    }
    assert_eq!(said, "others", "eight hundred appends go past one locked head");
    held.let_go().await;
    rounds.await.expect("ended").expect("appended");
    locked_out.await.expect("appended in the end");
    let next = log.extent(&ada, "t").await.expect("asks").next;
    assert_eq!(next, 2, "what was refused was not stored");
}

#[tokio::test]
async fn a_single_append_passes_anothers_burst() {
    let test = TestDb::new().await;
    let log = crate::backends::sql(&test).await.log;
    let (ada, bob) = (tenant("ada"), tenant("bob"));
    let (done, mut finished) = mpsc::unbounded_channel();
    let burst = futures::future::join_all((0..10_000).map(|n| {
        let (log, ada, done) = (&log, &ada, done.clone());
        async move {
            append(log, ada, &format!("topic-{}", n % 500), vec![0; 256])
                .await
                .expect("appended");
            done.send("ada").expect("heard");
        }
    }));
    let single = async {
        append(&log, &bob, "t", "x").await.expect("appended");
        done.send("bob").expect("heard");
    };
    tokio::join!(burst, single);
    drop(done);
    let mut before = 0;
    while finished.recv().await.expect("bob") != "bob" {
        before += 1;
    }
    assert!(
        before <= 5_000,
        "{before} of the burst came before the other's single one"
    );
}

#[tokio::test]
async fn what_fails_fails_alone() {
    let test = TestDb::new().await;
    test.as_superuser("alter table log_heads add constraint never check (topic <> 'bad')")
        .await;
    let log = crate::backends::sql(&test).await.log;
    let all: Vec<Tenant> = (0..20).map(|n| tenant(&format!("tenant-{n}"))).collect();
    let appends = all.iter().enumerate().map(|(n, of)| {
        let log = &log;
        async move { append(log, of, if n == 7 { "bad" } else { "good" }, "x").await.is_ok() }
    });
    let good = futures::future::join_all(appends).await;
    assert_eq!(good, (0..20).map(|n| n != 7).collect::<Vec<_>>());
    for of in &all {
        let good = log.extent(of, "good").await.expect("asks").next;
        assert_eq!(good, u64::from(*of != all[7]));
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_connections_are_cut_again_and_again() {
    let test = TestDb::new().await;
    let log = crate::backends::sql(&test).await.log;
    let write = move |writer, number| {
        let (log, own, text) = (
            log.clone(),
            tenant(&format!("tenant-{}", writer % 2)),
            format!("{writer}/{number}"),
        );
        async move {
            let appended = append(&log, &own, "t", text.clone()).await;
            appended.ok().map(|appended| (own, appended.first, text))
        }
    };
    let all = crate::cuts::acknowledged(&test, write).await;
    let log = crate::backends::sql(&test).await.log;
    for name in ["tenant-0", "tenant-1"] {
        let own = tenant(name);
        let entries = log.read(&own, "t", 0, usize::MAX).await.expect("reads");
        assert!(
            entries.iter().map(|entry| entry.offset).eq(0..entries.len() as u64),
            "no gap"
        );
        for (_, offset, text) in all.iter().filter(|(of, ..)| *of == own) {
            assert_eq!(entries[*offset as usize].payload, *text);
        }
    }
}

//! Writes of many callers in one commit: each under its own policy, none in another's way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use micro_clock::Clock;
use micro_domain::Limit;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Quota, Records, Write, Written},
    sql::SqlRecords,
};
use micro_tenancy::Tenant;
use micro_testkit::{TestClock, TestDb, tenant};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::foreign::{Foreign, connect};

fn now() -> OffsetDateTime {
    TestClock::default().now()
}

fn key(key: impl ToString) -> Key {
    Key::tenant("d", "t", key.to_string()).expect("plain")
}

async fn put(records: &SqlRecords, tenant: &Tenant, of: impl ToString) -> Result<Written, StoreError> {
    records.write(tenant, vec![Write::put(key(of), "v")], now()).await
}

fn tenants(count: usize) -> Vec<Tenant> {
    (0..count).map(|n| tenant(&format!("tenant-{n}"))).collect()
}

#[tokio::test]
async fn many_tenants_share_commits_and_each_row_is_its_own_tenants() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let all = tenants(100);
    futures::future::try_join_all(all.iter().map(|of| put(&records, of, of.namespace().name.as_str())))
        .await
        .expect("written");
    let commits = test
        .ask_superuser("select count(distinct xmin::text) from records")
        .await;
    let commits: usize = commits[0].parse().expect("a number");
    assert!(commits <= 20, "{commits} commits for a hundred writes at once");
    for of in &all {
        let found = records
            .scan(of, micro_storage::records::Scan::prefix("d", "t", ""), now())
            .await;
        let keys: Vec<String> = found.expect("scans").into_iter().map(|record| record.key).collect();
        assert_eq!(keys, [of.namespace().name.as_str()]);
    }
}

/// Calls the function with one write each of two namespaces, as the serving role.
async fn write_two(client: &tokio_postgres::Client) -> Result<(), String> {
    let namespaces: Vec<Uuid> = ["ada", "bob"].map(|name| tenant(name).id().uuid()).to_vec();
    let statement = "select outcomes from records_write_scoped($1, array[now(), now()], '{true,true}', '{1,2}',
        '{d,d}', '{t,t}', '{k,k}', '{a,b}', '{null,null}', '{null,null}', 9, 900)";
    let done = client.query_one(statement, &[&namespaces]).await;
    let said = |error: tokio_postgres::Error| error.as_db_error().expect("the database's").message().to_owned();
    assert_eq!(done.map_err(said)?.get::<_, Vec<i64>>(0), [0, 0]);
    Ok(())
}

#[tokio::test]
async fn a_row_written_in_anothers_scope_is_refused_by_the_policy() {
    let test = TestDb::new().await;
    let client = connect(&test).await;
    write_two(&client).await.expect("each in its own scope");
    test.as_superuser(
        "delete from records;
         do $$ begin execute replace(pg_get_functiondef('records_write_scoped'::regproc),
            'set_config(''app.namespace_id'', ns::text, true)', 'set_config(''app.namespace_id'', nss[1]::text, true)'); end $$",
    )
    .await;
    let refused = write_two(&client).await.expect_err("the second row is another's");
    assert!(refused.contains("row-level security"), "{refused}");
    assert_eq!(test.ask_superuser("select count(*) from records").await, ["0"]);
}

/// Puts one record each of two namespaces, as the serving role.
async fn put_two(client: &tokio_postgres::Client) -> Result<(), String> {
    let namespaces: Vec<Uuid> = ["ada", "bob"].map(|name| tenant(name).id().uuid()).to_vec();
    let statement =
        "select refused from records_put_scoped($1, '{d,d}', '{t,t}', '{k,k}', '{a,b}', '{null,null}', 9, 900)";
    let done = client.query_one(statement, &[&namespaces]).await;
    let said = |error: tokio_postgres::Error| error.as_db_error().expect("the database's").message().to_owned();
    assert_eq!(done.map_err(said)?.get::<_, Option<Vec<Uuid>>>(0), None);
    Ok(())
}

#[tokio::test]
async fn a_row_put_in_anothers_scope_is_refused_by_the_policy() {
    let test = TestDb::new().await;
    let client = connect(&test).await;
    put_two(&client).await.expect("new ones");
    put_two(&client).await.expect("over what is there");
    // Rows, and counts.
    for scope in ["u.ns", "s.ns"] {
        let definition = "pg_get_functiondef('records_put_scoped'::regproc)";
        let before = test.ask_superuser(&format!("select {definition}")).await.join("\n");
        test.as_superuser(&format!(
            "delete from records;
             do $$ begin execute replace({definition}, 'set_config(''app.namespace_id'', {scope}::text, true)',
                'set_config(''app.namespace_id'', nss[1]::text, true)'); end $$"
        ))
        .await;
        let refused = put_two(&client).await.expect_err("the second row is another's");
        assert!(refused.contains("row-level security"), "{scope}: {refused}");
        assert_eq!(test.ask_superuser("select count(*) from records").await, ["0"]);
        test.as_superuser(&before).await;
    }
}

#[tokio::test]
async fn no_scope_is_left_behind_a_combined_write() {
    let test = TestDb::new().await;
    let client = connect(&test).await;
    client.batch_execute("begin").await.expect("begins");
    write_two(&client).await.expect("writes");
    put_two(&client).await.expect("puts");
    let scope = client
        .query_one("select current_setting('app.namespace_id', true)", &[])
        .await
        .expect("asks");
    assert_eq!(scope.get::<_, Option<&str>>(0).unwrap_or_default(), "");
}

#[tokio::test]
async fn one_tenants_locked_row_keeps_nobody_else_waiting() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let (ada, others) = (tenant("ada"), tenants(8));
    put(&records, &ada, "locked").await.expect("written");
    let held = Foreign::hold(&test, &ada, "select key from records for update").await;

    let (done, mut finished) = mpsc::unbounded_channel();
    let locked_out = tokio::spawn({
        let (records, ada, done) = (records.clone(), ada.clone(), done.clone());
        async move {
            // Tries again until the row is free: every try goes among the others' writes.
            while put(&records, &ada, "locked").await.is_err() {
                done.send("refused").expect("heard");
            }
            done.send("ada").expect("heard");
        }
    });
    let rounds = tokio::spawn({
        let records = records.clone();
        async move {
            let mut stored = Ok(());
            for round in 0..100 {
                let all = others.iter().map(|of| put(&records, of, round));
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
    assert_eq!(said, "others", "eight hundred writes go past one locked row");
    held.let_go().await;
    rounds.await.expect("ended").expect("written");
    locked_out.await.expect("written in the end");
}

#[tokio::test]
async fn a_namespace_without_room_keeps_nobody_from_storing_and_fills_up_to_its_last_record() {
    const QUOTA: Quota = Quota {
        keys: Limit {
            name: "records",
            max: 3,
        },
        bytes: Limit {
            name: "bytes",
            max: 10_000,
        },
    };
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records.with_quota(QUOTA);
    let (ada, others) = (tenant("ada"), tenants(8));
    put(&records, &ada, "old").await.expect("written");
    let own = (0..6).map(|of| put(&records, &ada, of));
    let theirs = others.iter().map(|of| put(&records, of, "k"));
    let (own, theirs) = tokio::join!(futures::future::join_all(own), futures::future::try_join_all(theirs));
    theirs.expect("they have room");
    assert_eq!(own.iter().filter(|written| written.is_ok()).count(), 2, "{own:?}");
    let refused = own.into_iter().find_map(Result::err).expect("no room for the others");
    assert!(matches!(refused, StoreError::LimitReached(_)), "{refused:?}");
    assert_eq!(records.usage(&ada).await.expect("asks").keys, 3);
}

#[tokio::test]
async fn puts_over_what_is_there_are_newer_and_counted_once() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let all = tenants(20);
    let mut last = vec![0; all.len()];
    for value in ["short", "rather long", ""] {
        let puts = all
            .iter()
            .map(|of| records.write(of, vec![Write::put(key("k"), value)], now()));
        let written = futures::future::try_join_all(puts).await.expect("written");
        for ((of, last), written) in all.iter().zip(&mut last).zip(written) {
            let Written::Done(versions) = written else {
                panic!("{written:?}")
            };
            assert!(versions[0] > *last, "a version grows");
            *last = versions[0];
            let found = records.get(of, &[key("k")], now()).await.expect("reads");
            let found = found[0].as_ref().expect("there");
            assert_eq!((found.version, &found.value[..]), (versions[0], value.as_bytes()));
            let usage = records.usage(of).await.expect("asks");
            assert_eq!((usage.keys, usage.bytes), (1, 3 + value.len() as u64));
        }
    }
}

#[tokio::test]
async fn whoever_is_locked_out_is_told_so_and_comes_back() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let ada = tenant("ada");
    put(&records, &ada, "k").await.expect("written");
    let held = Foreign::hold(&test, &ada, "select key from records for update").await;
    let refused = put(&records, &ada, "k").await.expect_err("the row is locked");
    assert!(matches!(refused, StoreError::Busy(_)), "{refused:?}");
    let out: micro_error::Error = refused.into();
    assert_eq!((out.kind(), out.id()), (micro_error::Kind::Unavailable, "storage.busy"));
    held.let_go().await;
    put(&records, &ada, "k").await.expect("written");
}

#[tokio::test]
async fn a_single_write_passes_anothers_burst() {
    const BURST: usize = 10_000;
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let (ada, bob) = (tenant("ada"), tenant("bob"));
    let written = Arc::new(AtomicUsize::new(0));
    let burst = futures::future::try_join_all((0..BURST).map(|n| {
        let (records, ada, written) = (&records, &ada, &written);
        async move {
            put(records, ada, n).await?;
            written.fetch_add(1, Ordering::SeqCst);
            Ok::<_, StoreError>(())
        }
    }));
    let single = async {
        put(&records, &bob, "k").await.expect("written");
        written.load(Ordering::SeqCst)
    };
    // The burst is polled first: all of it waits when the single write comes.
    let (burst, before) = tokio::join!(burst, single);
    burst.expect("written");
    assert!(
        before <= BURST / 10,
        "{before} of the burst were written before the other's single one"
    );
    assert_eq!(records.usage(&ada).await.expect("asks").keys, BURST as u64);
}

#[tokio::test]
async fn who_fails_fails_alone() {
    let test = TestDb::new().await;
    test.as_superuser("alter table records add constraint never check (key <> 'bad')")
        .await;
    let records = crate::backends::sql(&test).await.records;
    let all = tenants(20);
    let writes = all.iter().enumerate().map(|(n, of)| {
        let records = &records;
        let of_key = if n == 7 { "bad" } else { "good" };
        async move { put(records, of, of_key).await.is_ok() }
    });
    let good: Vec<bool> = futures::future::join_all(writes).await;
    assert_eq!(good, (0..20).map(|n| n != 7).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_lost_condition_undoes_its_own_batch_only() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let all = tenants(30);
    for of in &all {
        put(&records, of, "there").await.expect("written");
    }
    let writes = all.iter().enumerate().map(|(n, of)| {
        let (there, new) = (Write::put(key("there"), "w"), Write::put(key("new"), "w"));
        let batch = match n % 3 {
            0 => vec![new, there.expecting(Expect::Absent)],
            1 => vec![there.expecting(Expect::Absent)],
            _ => vec![there, new.expecting(Expect::Absent)],
        };
        records.write(of, batch, now())
    });
    let written = futures::future::try_join_all(writes).await.expect("answered");
    for (n, (of, written)) in all.iter().zip(written).enumerate() {
        match n % 3 {
            0 => assert_eq!(written, Written::Lost(1)),
            1 => assert_eq!(written, Written::Lost(0)),
            _ => assert!(matches!(written, Written::Done(_)), "{written:?}"),
        }
        let found = records
            .get(of, &[key("there"), key("new")], now())
            .await
            .expect("reads");
        let values: Vec<Option<&[u8]>> = found.iter().map(|r| r.as_ref().map(|r| &r.value[..])).collect();
        match n % 3 {
            2 => assert_eq!(values, [Some(&b"w"[..]), Some(b"w")]),
            _ => assert_eq!(values, [Some(&b"v"[..]), None]),
        }
    }
}

#[tokio::test]
async fn core_and_own_records_of_a_namespace_go_together() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let ada = tenant("ada");
    let core = |k: usize| Key::core("auth/accounts", k.to_string());
    let writes = (0..60).map(|n| match n % 3 {
        0 => records.write(&ada, vec![Write::put(core(n), "c")], now()),
        1 => records.write(&ada, vec![Write::put(key(n), "o")], now()),
        _ => records.write(&ada, vec![Write::put(core(n), "c"), Write::put(key(n), "o")], now()),
    });
    futures::future::try_join_all(writes).await.expect("written");
    assert_eq!(records.usage(&ada).await.expect("asks").keys, 40);
    assert_eq!(test.ask_superuser("select count(*) from records").await, ["80"]);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_connections_are_cut_again_and_again() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let write = move |writer, number| {
        let (records, own, of) = (
            records.clone(),
            tenant(&format!("tenant-{}", writer % 4)),
            format!("{writer}/{number}"),
        );
        async move { put(&records, &own, &of).await.is_ok().then_some((own, of)) }
    };
    let all = crate::cuts::acknowledged(&test, write).await;
    let records = crate::backends::sql(&test).await.records;
    for (own, of) in &all {
        let found = records.get(own, &[key(of)], now()).await.expect("reads");
        assert!(found[0].is_some(), "{of} was acknowledged");
    }
}

//! The shared connections: no call sees another's scope, whatever interleaves, and a dead one is replaced.

use micro_clock::Clock;
use micro_storage::{
    records::{Key, Records, Scan, Write},
    sql::{Hot, SqlRecords},
};
use micro_testkit::{TestClock, TestDb, tenant};

fn key(key: &str) -> Key {
    Key::tenant("d", "t", key).expect("plain")
}

#[tokio::test]
async fn interleaved_calls_of_many_tenants_see_their_own_rows_only() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let now = TestClock::default().now();
    let names: Vec<String> = (0..32).map(|n| format!("tenant-{n}")).collect();
    for name in &names {
        records
            .write(&tenant(name), vec![Write::put(key("k"), name.clone())], now)
            .await
            .expect("writes");
    }
    let rounds = names.iter().map(|name| async {
        let own = tenant(name);
        for _ in 0..20 {
            let found = records.get(&own, &[key("k")], now).await.expect("reads").remove(0);
            assert_eq!(found.expect("there").value, *name);
            let many = records.get(&own, &[key("k"), key("none")], now).await.expect("reads");
            assert_eq!(many[0].as_ref().expect("there").value, *name);
            let scanned = records
                .scan(&own, Scan::prefix("d", "t", ""), now)
                .await
                .expect("scans");
            assert_eq!((scanned.len(), &scanned[0].value[..]), (1, name.as_bytes()));
            records
                .write(&own, vec![Write::put(key("k"), name.clone())], now)
                .await
                .expect("writes");
        }
    });
    futures::future::join_all(rounds).await;
}

#[tokio::test]
async fn a_connection_that_died_is_replaced_at_the_next_call() {
    let test = TestDb::new().await;
    let records = crate::backends::sql(&test).await.records;
    let (ada, now) = (tenant("ada"), TestClock::default().now());
    records
        .write(&ada, vec![Write::put(key("k"), "v")], now)
        .await
        .expect("writes");
    test.as_superuser("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'micro hot' and datname = current_database()")
        .await;
    micro_testkit::eventually("answering again", std::time::Duration::from_secs(10), || async {
        let keys = [key("k")];
        let round_the_slots = (0..3).map(|_| records.get(&ada, &keys, now));
        futures::future::try_join_all(round_the_slots).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_call_inside_another_namespaces_scope_is_refused() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let mut tx = db.begin(&tenant("ada")).await.expect("begins");
    for call in [
        "select * from records_get_one($1, 'd', 't', 'k', now())",
        "select * from records_get($1, '{d}', '{t}', '{k}', now())",
        "select records_write_scoped(array[$1], '{today}', '{true}', '{1}', '{d}', '{t}', '{k}', '{x}', '{null}', '{null}', 9, 9)",
        "select records_put_scoped(array[$1], '{d}', '{t}', '{k}', '{x}', '{null}', 9, 9)",
        "select * from records_scan_up($1, 'd', 't', '', null, 10, now(), null)",
        "select * from records_scan_down($1, 'd', 't', '', null, 10, now(), null)",
        "select * from records_tables($1)",
        "select * from records_usage_of($1)",
        "select records_erase($1)",
        "select log_append_scoped(array[$1], '{t}', '{1}', '{today}', '{x}')",
        "select log_append_many_scoped(array[$1], '{t}', '{1}', '{today}', '{x}')",
        "select log_erase($1)",
        "select * from log_read($1, 't', 0, 1)",
        "select * from log_extent($1, 't')",
        "select log_offset_at($1, 't', now())",
        "select log_trim($1, 't', 0)",
    ] {
        sqlx::query("savepoint here").execute(tx.conn()).await.expect("saves");
        let refused = sqlx::query(call)
            .bind(tenant("bob").id().uuid())
            .execute(tx.conn())
            .await;
        let refused = refused.expect_err(call);
        assert!(
            refused.to_string().contains("another namespace is open"),
            "{call}: {refused}"
        );
        sqlx::query("rollback to savepoint here")
            .execute(tx.conn())
            .await
            .expect("goes back");
    }
}

#[tokio::test]
async fn an_error_leaves_no_scope_behind() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let records = SqlRecords::new(Hot::connect(&db).await.expect("connects"), &db);
    let (ada, now) = (tenant("ada"), TestClock::default().now());
    records
        .write(&ada, vec![Write::put(key("k"), "ada's")], now)
        .await
        .expect("writes");
    for _ in 0..4 {
        let lost = Write::put(key("k"), "x").expecting(micro_storage::records::Expect::Absent);
        let batch = vec![lost, Write::put(key("l"), "x")];
        records.write(&ada, batch, now).await.expect("answers");
        assert_eq!(
            records.get(&tenant("bob"), &[key("k")], now).await.expect("reads"),
            [None]
        );
    }
}

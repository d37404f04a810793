//! Statements that must stay cheap when tables grow: read from PostgreSQL's own plan, as the role that runs them.

use micro_tenancy::SystemTask;
use micro_testkit::{TestDb, tenant};
use sqlx::PgConnection;

async fn plan(conn: &mut PgConnection, statement: &'static str) -> String {
    let explain = sqlx::AssertSqlSafe(format!("explain {statement}"));
    sqlx::query_scalar::<_, String>(explain)
        .fetch_all(conn)
        .await
        .expect("explains")
        .join("\n")
}

#[tokio::test]
async fn a_prefix_scan_under_row_level_security_is_a_range_of_the_primary_key() {
    let test = TestDb::new().await;
    let ada = tenant("ada");
    test.as_superuser(&format!(
        "insert into records (namespace_id, database, tbl, key, value, version)
         select '{}', 'd', 't', 'k' || lpad(n::text, 6, '0'), '', 1 from generate_series(1, 20000) n;
         analyze records",
        ada.id()
    ))
    .await;
    let db = test.db().await;
    let mut tx = db.begin(&ada).await.expect("begins");
    let range = plan(
        tx.conn(),
        "select key from records where namespace_id = nullif(current_setting('app.namespace_id', true), '')::uuid
         and database = 'd' and tbl = 't' and key >= 'k0001' and key <= 'k0002' order by key limit 100",
    )
    .await;
    assert!(
        range.contains("using records_pkey") && !range.contains("Sort"),
        "{range}"
    );
    let condition = range
        .lines()
        .find(|line| line.contains("Index Cond"))
        .expect("a condition");
    assert!(condition.contains("key >= "), "the range is a filter only: {range}");
}

#[tokio::test]
async fn jobs_are_claimed_by_an_index_however_many_wait() {
    let test = TestDb::new().await;
    test.as_superuser(
        "insert into jobs (namespace_id, job_id, namespace_name, kind, payload, queued_at, run_at)
         select gen_random_uuid(), gen_random_uuid(), 'n', 'k', '{}', now(), now() + n * interval '1 second'
         from generate_series(1, 20000) n;
         analyze jobs",
    )
    .await;
    let db = test.db().await;
    let mut tx = db.system(SystemTask::Jobs).begin().await.expect("begins");
    let claim = plan(
        tx.conn(),
        "select namespace_id, job_id from jobs where run_at <= now() and parked_at is null and kind = any('{k}')
         and (claimed_by is null or claimed_by <> 'me') order by run_at, job_id limit 4 for update skip locked",
    )
    .await;
    assert!(
        claim.contains("using jobs_by_time") && !claim.contains("Sort"),
        "{claim}"
    );
}

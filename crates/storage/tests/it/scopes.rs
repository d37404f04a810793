//! Transactions see their own namespace and nothing else.

use micro_storage::{Scoped, StoreError, retrying};
use micro_tenancy::SystemTask;
use micro_testkit::{TestDb, tenant};

async fn put(tx: &mut Scoped, key: &str) {
    sqlx::query(
        "insert into records (namespace_id, database, tbl, key, value, version) values ($1, 'd', 't', $2, '', 1)",
    )
    .bind(tx.namespace().uuid())
    .bind(key)
    .execute(tx.conn())
    .await
    .expect("one's own row");
}

/// Every row in sight, by a query that forgets its WHERE.
async fn keys(tx: &mut Scoped) -> Vec<String> {
    sqlx::query_scalar("select key from records order by key")
        .fetch_all(tx.conn())
        .await
        .expect("reads")
}

#[tokio::test]
async fn a_forgotten_where_shows_ones_own_rows_only() {
    let test = TestDb::new().await;
    let db = test.db().await;
    for name in ["ada", "bob"] {
        let mut tx = db.begin(&tenant(name)).await.expect("begins");
        put(&mut tx, name).await;
        tx.commit().await.expect("commits");
    }
    let mut ada = db.begin(&tenant("ada")).await.expect("begins");
    assert_eq!(keys(&mut ada).await, ["ada"]);
}

#[tokio::test]
async fn what_is_not_committed_did_not_happen() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let mut tx = db.begin(&tenant("ada")).await.expect("begins");
    put(&mut tx, "k").await;
    drop(tx);
    assert!(
        keys(&mut db.begin(&tenant("ada")).await.expect("begins"))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_strangers_row_cannot_be_written_changed_or_removed() {
    let test = TestDb::new().await;
    let db = test.db().await;
    let bob = tenant("bob");
    let mut tx = db.begin(&bob).await.expect("begins");
    put(&mut tx, "k").await;
    tx.commit().await.expect("commits");

    let statements = [
        (
            "insert into records (namespace_id, database, tbl, key, value, version) values ($1, 'd', 't', 'new', '', 1)",
            true,
        ),
        (
            "insert into records (namespace_id, database, tbl, key, value, version) values ($1, 'd', 't', 'k', '', 1) on conflict do nothing",
            true,
        ),
        (
            "insert into records (namespace_id, database, tbl, key, value, version) values ($1, 'd', 't', 'k', '', 2)
          on conflict (namespace_id, database, tbl, key) do update set version = 2",
            true,
        ),
        ("update records set version = 9 where namespace_id = $1", false),
        ("delete from records where namespace_id = $1", false),
    ];
    for (statement, refused) in statements {
        let mut tx = db.begin(&tenant("ada")).await.expect("begins");
        let done = sqlx::query(statement).bind(bob.id().uuid()).execute(tx.conn()).await;
        match done {
            Ok(done) => assert!(!refused && done.rows_affected() == 0, "{statement}"),
            Err(error) => assert!(
                refused && error.to_string().contains("row-level security"),
                "{statement}: {error}"
            ),
        }
    }
    assert_eq!(test.ask_superuser("select version from records").await, ["1"]);
}

#[tokio::test]
async fn no_scope_is_left_on_a_connection() {
    let test = TestDb::new().await;
    let db = test
        .db_with(micro_storage::db::Options {
            serving: 1,
            system: 1,
            ..Default::default()
        })
        .await;
    let mut ada = db.begin(&tenant("ada")).await.expect("begins");
    put(&mut ada, "k").await;
    ada.commit().await.expect("commits");
    drop(db.begin(&tenant("ada")).await.expect("begins"));
    let bob = &mut db.begin(&tenant("bob")).await.expect("the same connection");
    assert!(keys(bob).await.is_empty());
    sqlx::query("select set_config('app.namespace_id', '', true)")
        .execute(bob.conn())
        .await
        .expect("sets");
    assert!(keys(bob).await.is_empty(), "an empty scope sees nothing");
}

#[tokio::test]
async fn the_serving_role_has_no_global_tables_and_the_system_role_no_tenants_rows() {
    let test = TestDb::new().await;
    let db = test.db().await;
    for table in ["identities", "saga_steps", "leases", "jobs"] {
        let mut tx = db.begin(&tenant("ada")).await.expect("begins");
        let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        assert!(sqlx::query(query).execute(tx.conn()).await.is_err(), "{table}");
    }
    let mut ada = db.begin(&tenant("ada")).await.expect("begins");
    put(&mut ada, "lasting").await;
    ada.commit().await.expect("commits");
    let mut system = db.system(SystemTask::Sweep).begin().await.expect("begins");
    let seen: i64 = sqlx::query_scalar("select count(*) from records")
        .fetch_one(system.conn())
        .await
        .expect("only what has expired");
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn a_serialization_failure_at_commit_is_run_again() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.3).await;
    let db = proxy.db().await;
    for key in 0..20 {
        retrying(|| async {
            let mut tx = db.begin(&tenant("ada")).await?;
            sqlx::query(
                "insert into records (namespace_id, database, tbl, key, value, version) values ($1, 'd', 't', $2, '', 1)",
            )
            .bind(tx.namespace().uuid())
            .bind(key.to_string())
            .execute(tx.conn())
            .await?;
            tx.commit().await
        })
        .await
        .expect("in ten tries");
    }
    assert!(proxy.failures() > 3, "the proxy did nothing");
    assert_eq!(test.ask_superuser("select count(*) from records").await, ["20"]);
}

#[tokio::test]
async fn an_exhausted_pool_answers_in_time() {
    let test = TestDb::new().await;
    let wait = std::time::Duration::from_millis(50);
    let db = test
        .db_with(micro_storage::db::Options {
            serving: 1,
            system: 1,
            wait,
            ..Default::default()
        })
        .await;
    let _held = db.begin(&tenant("ada")).await.expect("begins");
    assert!(matches!(db.begin(&tenant("bob")).await, Err(StoreError::Failed(_))));
}

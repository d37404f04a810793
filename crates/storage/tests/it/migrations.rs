//! Migrations: twice, at once, after a crash, under other logins.

use micro_storage::{StoreError, migrate};
use micro_testkit::TestDb;

#[tokio::test]
async fn an_empty_database_is_brought_up_to_date_once() {
    let test = TestDb::empty().await;
    assert!(migrate(test.urls()).await.expect("migrates") > 5);
    assert_eq!(migrate(test.urls()).await.expect("again"), 0);
    test.db().await;
}

#[tokio::test]
async fn two_at_once_take_turns() {
    let test = TestDb::empty().await;
    let runs = futures::future::join_all((0..4).map(|_| migrate(test.urls()))).await;
    let counts: Vec<usize> = runs.into_iter().map(|run| run.expect("migrates")).collect();
    assert_eq!(counts.iter().filter(|count| **count > 0).count(), 1, "{counts:?}");
    test.db().await;
}

#[tokio::test]
async fn a_crash_anywhere_is_mended_by_the_next_run() {
    let test = TestDb::new().await;
    // As if it had died after each file, before that was recorded, and while policies were being made.
    test.as_superuser(
        "delete from schema_migrations where name like '%records%' or name like 'scopes%';
         drop policy serving_namespace on records; revoke all on records from micro_serving;
         insert into schema_lease values (1, gen_random_uuid(), now() - interval '1 second')",
    )
    .await;
    assert!(migrate(test.urls()).await.expect("goes on") >= 2);
    test.db().await;
}

#[tokio::test]
async fn other_logins_get_their_own_policies() {
    let test = TestDb::new().await;
    let before = test
        .ask_superuser("select count(*) from schema_migrations where name like 'scopes%'")
        .await;
    assert_eq!(before, ["1"]);
    test.as_superuser(
        "drop policy serving_namespace on records; delete from schema_migrations where name like 'scopes%'",
    )
    .await;
    migrate(test.urls()).await.expect("makes the policies again");
    assert_eq!(
        test.ask_superuser("select count(*) from pg_policies where tablename = 'records'")
            .await,
        ["2"]
    );
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_applied_is_refused() {
    let test = TestDb::new().await;
    test.as_superuser("update schema_migrations set checksum = 'another' where name like '%create_records.sql'")
        .await;
    let refused = migrate(test.urls()).await.expect_err("changed");
    assert!(
        matches!(&refused, StoreError::Invalid(why) if why.contains("forward only")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn migrations_come_through_lost_races() {
    let test = TestDb::empty().await;
    let proxy = test.flaky(0.05).await;
    micro_storage::retrying(|| migrate(proxy.urls()))
        .await
        .expect("in ten tries");
    assert!(proxy.failures() > 0, "the proxy did nothing");
    test.db().await;
}

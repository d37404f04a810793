//! How much a namespace may keep in its own databases, on every back end.

use micro_clock::Clock;
use micro_domain::Limit;
use micro_storage::{
    memory::MemoryRecords,
    records::{Expect, Key, Quota, Records, Usage, Write},
};
use micro_testkit::{TestClock, TestDb, tenant};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{backends, records::a_quota_is_kept_to_the_byte};

const QUOTA: Quota = Quota {
    keys: Limit {
        name: "records",
        max: 2,
    },
    bytes: Limit {
        name: "bytes",
        max: 100,
    },
};

#[tokio::test]
async fn in_memory() {
    a_quota_is_kept_to_the_byte(&MemoryRecords::with_quota(QUOTA)).await;
}

#[tokio::test]
async fn in_a_file() {
    let (_folder, file) = backends::file();
    a_quota_is_kept_to_the_byte(&file.records.with_quota(QUOTA)).await;
}

#[tokio::test]
async fn in_sql() {
    let test = TestDb::new().await;
    a_quota_is_kept_to_the_byte(&backends::sql(&test).await.records.with_quota(QUOTA)).await;
}

#[tokio::test]
async fn in_serializable_sql() {
    let test = TestDb::new().await;
    a_quota_is_kept_to_the_byte(&backends::serializable(&test).await.records.with_quota(QUOTA)).await;
}

#[tokio::test]
async fn in_sql_that_loses_races() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.1).await;
    a_quota_is_kept_to_the_byte(&backends::flaky(&proxy).await.records.with_quota(QUOTA)).await;
}

#[tokio::test]
async fn two_replicas_keep_one_quota() {
    let test = TestDb::new().await;
    let (one, other) = (backends::sql(&test).await.records, backends::sql(&test).await.records);
    let (one, other) = (one.with_quota(QUOTA), other.with_quota(QUOTA));
    a_quota_is_kept_to_the_byte(&Turns(one, other, Default::default())).await;
}

/// What the count must be: everything that is there.
const RECOUNT: &str = "select coalesce(string_agg(line, ';' order by line), '') from (
    select namespace_id || ' ' || count(*) || ' '
           || sum(octet_length(database) + octet_length(tbl) + octet_length(key) + octet_length(value)) as line
      from records where database <> chr(1) || 'core' group by namespace_id) lines";
const COUNTED: &str = "select coalesce(string_agg(line, ';' order by line), '') from (
    select namespace_id || ' ' || keys || ' ' || bytes as line from records_usage where keys <> 0 or bytes <> 0) lines";

#[tokio::test]
async fn the_count_is_right_after_many_writers_of_two_replicas_and_sweeps_at_once() {
    let test = TestDb::new().await;
    let proxy = test.flaky(0.02).await;
    let (one, other) = (
        backends::sql(&test).await.records,
        backends::flaky(&proxy).await.records,
    );
    let now = TestClock::default().now();
    let writers = (0..12_u64).map(|writer| {
        let records = [&one, &other][writer as usize % 2];
        async move {
            let own = tenant(&format!("tenant-{}", writer % 3));
            let mut dice = SmallRng::seed_from_u64(writer);
            for _ in 0..60 {
                let mut keys: Vec<u32> = (0..dice.random_range(1..4)).map(|_| dice.random_range(0..12)).collect();
                keys.sort_unstable();
                keys.dedup();
                let batch = keys.into_iter().map(|of| {
                    let key = Key::tenant("d", "t", of.to_string()).expect("plain");
                    let write = match dice.random_range(0..4) {
                        0 => Write::delete(key),
                        1 => Write::put(key, vec![7; dice.random_range(0..90)]).until(now),
                        _ => Write::put(key, vec![7; dice.random_range(0..90)]),
                    };
                    match dice.random_bool(0.2) {
                        true => write.expecting(Expect::Absent),
                        false => write,
                    }
                });
                records.write(&own, batch.collect(), now).await.expect("answers");
                if dice.random_bool(0.1) {
                    records.sweep(now, 20).await.expect("sweeps");
                }
            }
        }
    });
    futures::future::join_all(writers).await;
    assert!(proxy.failures() > 5, "the proxy did nothing");
    assert_eq!(test.ask_superuser(COUNTED).await, test.ask_superuser(RECOUNT).await);
    assert_ne!(test.ask_superuser(COUNTED).await, [""]);
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_counted_when_it_is_migrated() {
    let test = TestDb::new().await;
    let records = backends::sql(&test).await.records;
    let now = TestClock::default().now();
    for (of, key) in [("ada", "k"), ("ada", "longer"), ("bob", "k")] {
        let own = Write::put(Key::tenant("d", "t", key).expect("plain"), "value");
        let core = Write::put(Key::core("t", key), "value");
        records.write(&tenant(of), vec![own, core], now).await.expect("writes");
    }
    test.as_superuser(
        "delete from records_usage; delete from schema_migrations where name = 'common/20261121101010_count_records.sql'",
    )
    .await;
    assert_eq!(micro_storage::migrate(test.urls()).await.expect("migrates"), 1);
    assert_eq!(test.ask_superuser(COUNTED).await, test.ask_superuser(RECOUNT).await);
    assert_eq!(
        records.usage(&tenant("ada")).await.expect("asks"),
        Usage { keys: 2, bytes: 21 }
    );
    test.db().await; // The walls stand again: it would be refused otherwise.
}

/// Asks two replicas in turn.
struct Turns(
    micro_storage::sql::SqlRecords,
    micro_storage::sql::SqlRecords,
    std::sync::atomic::AtomicUsize,
);

mod turns {
    use async_trait::async_trait;
    use micro_storage::{
        StoreError,
        records::{Key, Record, Records, Scan, Usage, Write, Written},
        sql::SqlRecords,
    };
    use micro_tenancy::Tenant;
    use time::OffsetDateTime;

    use super::Turns;

    impl Turns {
        fn next(&self) -> &SqlRecords {
            match self.2.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 {
                0 => &self.0,
                _ => &self.1,
            }
        }
    }

    #[async_trait]
    impl Records for Turns {
        async fn get(&self, of: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
            self.next().get(of, keys, now).await
        }
        async fn write(&self, of: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
            self.next().write(of, batch, now).await
        }
        async fn usage(&self, of: &Tenant) -> Result<Usage, StoreError> {
            self.next().usage(of).await
        }
        async fn scan(&self, of: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
            self.next().scan(of, scan, now).await
        }
        async fn tables(&self, of: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
            self.next().tables(of).await
        }
        async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
            self.next().sweep(now, limit).await
        }
        async fn erase(&self, of: &Tenant) -> Result<(), StoreError> {
            self.next().erase(of).await
        }
    }
}

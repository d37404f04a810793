//! How much a namespace may keep in its own databases, on every back end.

use micro_domain::Limit;
use micro_storage::{memory::MemoryRecords, records::Quota};
use micro_testkit::TestDb;

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

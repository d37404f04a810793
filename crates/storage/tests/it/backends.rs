//! Every back end of every trait, so that each sentence of a contract is tested on all of them.

use micro_storage::{
    blobs::ObjectBlobs,
    db::Options,
    file,
    memory::{MemoryBlobs, MemoryLog, MemoryRecords},
    sql::{Hot, SqlLog, SqlRecords},
};
use micro_testkit::TestDb;

/// Runs a contract on memory, file, SQL, serializable SQL, and SQL that loses races.
macro_rules! on_every_back_end {
    ($trait:ident: $($sentence:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(&crate::backends::memory().$trait).await;
            })*
        }
        mod file {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(&crate::backends::file().1.$trait).await;
            })*
        }
        mod sql {
            $(#[tokio::test]
            async fn $sentence() {
                let test = micro_testkit::TestDb::new().await;
                super::$sentence(&crate::backends::sql(&test).await.$trait).await;
            })*
        }
        mod serializable {
            $(#[tokio::test]
            async fn $sentence() {
                let test = micro_testkit::TestDb::new().await;
                super::$sentence(&crate::backends::serializable(&test).await.$trait).await;
            })*
        }
        mod flaky {
            $(#[tokio::test]
            async fn $sentence() {
                let test = micro_testkit::TestDb::new().await;
                let proxy = test.flaky(0.1).await;
                super::$sentence(&crate::backends::flaky(&proxy).await.$trait).await;
            })*
        }
    };
}
pub(crate) use on_every_back_end;

/// One back end's records and log.
pub struct Backend<R, L> {
    pub records: R,
    pub log: L,
}

pub fn memory() -> Backend<MemoryRecords, MemoryLog> {
    Backend {
        records: MemoryRecords::default(),
        log: MemoryLog::default(),
    }
}

pub fn file() -> (tempfile::TempDir, Backend<file::RedbRecords, file::RedbLog>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (records, log) = file::open(folder.path().join("store.redb")).expect("opens");
    (folder, Backend { records, log })
}

pub async fn sql(test: &TestDb) -> Backend<SqlRecords, SqlLog> {
    over(&test.db().await).await
}

pub async fn serializable(test: &TestDb) -> Backend<SqlRecords, SqlLog> {
    over(
        &test
            .db_with(Options {
                serving: 2,
                system: 2,
                serializable: true,
                ..Options::default()
            })
            .await,
    )
    .await
}

pub async fn flaky(proxy: &micro_testkit::FlakyProxy) -> Backend<SqlRecords, SqlLog> {
    over(&proxy.db().await).await
}

async fn over(db: &micro_storage::Db) -> Backend<SqlRecords, SqlLog> {
    let hot = Hot::connect(db).await.expect("connects");
    Backend {
        records: SqlRecords::new(hot.clone(), db),
        log: SqlLog::new(hot),
    }
}

pub fn memory_blobs() -> MemoryBlobs {
    MemoryBlobs::default()
}

pub fn folder_blobs() -> (tempfile::TempDir, ObjectBlobs) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blobs = ObjectBlobs::at(&format!("file://{}/blobs", folder.path().display())).expect("opens");
    (folder, blobs)
}

//! Pages of a log are bounded by bytes, and together they are the topic.

use bytes::Bytes;
use micro_clock::Clock;
use micro_storage::{
    file,
    log::{Append, Log},
    memory::MemoryLog,
    sql::{Hot, SqlLog},
};
use micro_testkit::{TestClock, TestDb, tenant};

const ENTRIES: usize = 50;
const SIZE: usize = 10_000;

async fn pages_are_bounded_and_complete(log: &dyn Log, chunk: usize) {
    let (ada, now) = (tenant("ada"), TestClock::default().now());
    let entry = |n: usize| Bytes::from(vec![n as u8; SIZE]);
    for first in (0..ENTRIES).step_by(chunk) {
        let append = Append {
            tenant: &ada,
            topic: "t".into(),
            payloads: (first..first + chunk).map(entry).collect(),
        };
        log.append(vec![append], now).await.remove(0).expect("appended");
    }
    for max_bytes in [1, SIZE - 1, SIZE, SIZE + 1, 7 * SIZE, usize::MAX] {
        let (mut next, mut seen) = (3, Vec::new());
        loop {
            let page = log.read_page(&ada, "t", next, 1_000, max_bytes).await.expect("reads");
            let Some(last) = page.last() else { break };
            let bytes = page.len() * SIZE;
            let most = max_bytes.saturating_add(chunk * SIZE);
            assert!(bytes < most, "{bytes} bytes where {max_bytes} were asked for");
            next = last.offset + 1;
            seen.extend(page.iter().map(|e| (e.offset, e.payload[0])));
        }
        let expected: Vec<_> = (3..ENTRIES).map(|n| (n as u64, n as u8)).collect();
        assert_eq!(seen, expected, "{max_bytes}");
    }
    let three = log.read_page(&ada, "t", 5, 3, usize::MAX).await.expect("reads");
    assert_eq!(three.iter().map(|e| e.offset).collect::<Vec<_>>(), [5, 6, 7]);
    let all = log.read(&ada, "t", 0, usize::MAX).await.expect("reads");
    assert_eq!(all.len(), ENTRIES);
    assert!(
        log.read_page(&ada, "t", ENTRIES as u64, 9, 9)
            .await
            .expect("reads")
            .is_empty()
    );
    assert!(
        log.read_page(&tenant("bob"), "t", 0, 9, 9)
            .await
            .expect("reads")
            .is_empty()
    );
}

#[tokio::test]
async fn in_memory() {
    pages_are_bounded_and_complete(&MemoryLog::default(), 1).await;
}

#[tokio::test]
async fn in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, log) = file::open(folder.path().join("store.redb")).expect("opens");
    pages_are_bounded_and_complete(&log, 1).await;
}

#[tokio::test]
async fn in_postgres() {
    let test = TestDb::new().await;
    let log = SqlLog::new(Hot::connect(&test.db().await).await.expect("connects"));
    pages_are_bounded_and_complete(&log, 5).await;
}

//! Memory stays flat however big a blob is: 200 MiB go in and out in a process of their own, whose peak is looked at.

use std::{fs, process::Command, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use micro_domain::Limits;
use micro_proto::store::{BlobReadRequest, BlobStore};
use micro_storage::{blobs::ObjectBlobs, memory::MemoryRecords};

use crate::world::{World, admin, blob};

const SIZE: usize = 200 << 20;
/// As Micro's clients may send.
const MESSAGE: usize = 1 << 20;
/// What the way in and the way out may take beside what the process had before.
const ROOM: u64 = 48 << 20;

/// The most memory that this process has ever had.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse().ok())
        .expect("a number");
    kilobytes << 10
}

#[test]
fn two_hundred_mebibytes_take_few() {
    let this = std::env::current_exe().expect("a test");
    let run = Command::new(this)
        .args(["--exact", "big_blob::in_and_out", "--ignored", "--nocapture"])
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    println!("{}", said.lines().find(|line| line.contains("MiB")).unwrap_or_default());
}

#[tokio::test]
#[ignore = "measures its whole process: the test above runs it alone"]
async fn in_and_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = ObjectBlobs::in_folder(folder.path()).expect("a folder");
    let world = World::on(Arc::new(MemoryRecords::default()), Arc::new(blobs), Limits::DEVELOPER);
    let ada = admin("ada-ns");
    world
        .put_blob(&ada, "warm", &[&vec![1; 8 << 20]])
        .await
        .expect("written");
    let before = peak();
    let parts = stream::iter(0..SIZE / MESSAGE).map(|n| Ok(blob("big", &vec![n as u8; MESSAGE])));
    BlobStore::write(&world.store, &ada, parts.boxed())
        .await
        .expect("written");
    let request = BlobReadRequest {
        key: "big".into(),
        options: None,
    };
    let parts = BlobStore::read(&world.store, &ada, request).await.expect("there");
    let read = parts
        .try_fold(0, |sum, part| async move { Ok(sum + part.blob.len()) })
        .await;
    assert_eq!(read.expect("whole"), SIZE);
    let grown = peak() - before;
    println!("200 MiB took {} MiB more", grown >> 20);
    assert!(grown < ROOM, "{grown} bytes more than before");
}

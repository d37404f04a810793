//! kill -9 under load: what was acknowledged is there.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use micro_clock::Clock;
use micro_postgres::{Options, Postgres};
use micro_storage::{
    Db,
    log::{Append, Log},
    records::{Key, Records, Scan, Usage, Write},
    sql::{Hot, SqlLog, SqlRecords},
};
use micro_testkit::{TestClock, tenant};

use crate::backends::Backend;

/// Kills per back end.
const KILLS: u64 = 3;
const WRITERS: u64 = 8;

/// Where the child finds its data, and from which number on it writes.
const DIRECTORY: &str = "MICRO_TEST_DIRECTORY";

fn key(writer: u64, number: u64) -> Key {
    Key::tenant("d", "t", format!("{writer}/{number}")).expect("plain")
}

/// Writes until it is killed, saying which writes were acknowledged: `<writer> <number> <offset>`.
async fn write_forever(backend: Backend<impl Records, impl Log>) {
    let (ada, now) = (tenant("ada"), TestClock::default().now());
    let backend = &backend;
    let writers = (0..WRITERS).map(|writer| {
        let ada = &ada;
        async move {
            for number in 0.. {
                let write = Write::put(key(writer, number), "v");
                backend.records.write(ada, vec![write], now).await.expect("writes");
                let entry = Bytes::from(format!("{writer}/{number}"));
                let append = Append {
                    tenant: ada,
                    topic: "t".into(),
                    payloads: vec![entry],
                };
                let done = backend.log.append(vec![append], now).await.remove(0).expect("appends");
                println!("acknowledged {writer} {number} {}", done.first);
            }
        }
    });
    futures::future::join_all(writers).await;
}

/// Whether everything that was said to be there is.
async fn check(backend: Backend<impl Records, impl Log>, acknowledged: &[[u64; 3]]) {
    let (ada, now) = (tenant("ada"), TestClock::default().now());
    for [writer, number, offset] in acknowledged {
        let found = backend
            .records
            .get(&ada, &[key(*writer, *number)], now)
            .await
            .expect("reads");
        assert!(found[0].is_some(), "{writer}/{number} was acknowledged");
        let entry = backend.log.read(&ada, "t", *offset, 1).await.expect("reads").remove(0);
        assert_eq!(
            (entry.offset, &entry.payload[..]),
            (*offset, format!("{writer}/{number}").as_bytes())
        );
    }
    let (mut scan, mut counted) = (Scan::prefix("d", "t", ""), Usage::default());
    loop {
        let page = backend.records.scan(&ada, scan.clone(), now).await.expect("scans");
        let Some(last) = page.last() else { break };
        scan = scan.after(&last.key);
        counted.keys += page.len() as u64;
        // One byte each of database, table and value, and the key.
        counted.bytes += page.iter().map(|record| record.key.len() as u64 + 3).sum::<u64>();
    }
    assert_eq!(backend.records.usage(&ada).await.expect("asks"), counted);
    let next = backend.log.extent(&ada, "t").await.expect("asks").next;
    let entries = backend.log.read(&ada, "t", 0, usize::MAX).await.expect("reads");
    assert_eq!(entries.len() as u64, next, "no gaps");
}

/// Starts a child, lets it acknowledge some writes, kills it; everything that it said.
fn run_and_kill(child: &str, directory: &Path, least: usize) -> Vec<[u64; 3]> {
    let mut process = Command::new(std::env::current_exe().expect("ourselves"))
        .args(["--ignored", "--exact", "--nocapture", child])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let said = BufReader::new(process.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    let mut acknowledged = said.filter_map(|line| {
        let mut numbers = line.split_once("acknowledged ")?.1.split(' ').map(str::parse);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
    });
    let mut all: Vec<_> = acknowledged.by_ref().take(least).collect();
    process.kill().expect("kills");
    all.extend(acknowledged);
    process.wait().expect("ends");
    assert!(all.len() >= least, "the child ended by itself");
    all
}

fn directory() -> Option<std::path::PathBuf> {
    std::env::var_os(DIRECTORY).map(Into::into)
}

fn file(directory: &Path) -> Backend<impl Records + use<>, impl Log + use<>> {
    let (records, log) = micro_storage::file::open(directory.join("store.redb")).expect("opens");
    Backend { records, log }
}

#[tokio::test]
#[ignore = "a child process of another test"]
async fn child_writes_to_a_file() {
    let Some(directory) = directory() else { return };
    write_forever(file(&directory)).await;
}

#[tokio::test]
async fn a_file_keeps_what_it_acknowledged() {
    for kill in 1..=KILLS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let acknowledged = run_and_kill("kills::child_writes_to_a_file", folder.path(), 150 * kill as usize);
        check(file(folder.path()), &acknowledged).await;
    }
}

/// A private server that flushes, as `micro server` would have it.
async fn sql(directory: &Path) -> (Postgres, Backend<SqlRecords, SqlLog>) {
    let postgres = Postgres::start(Options::durable(directory)).await.expect("starts");
    micro_storage::migrate(postgres.urls()).await.expect("migrates");
    let db = Db::connect(postgres.urls(), Default::default())
        .await
        .expect("connects");
    let hot = Hot::connect(&db).await.expect("connects");
    let backend = Backend {
        records: SqlRecords::new(hot.clone(), &db),
        log: SqlLog::new(hot),
    };
    (postgres, backend)
}

#[tokio::test]
#[ignore = "a child process of another test"]
async fn child_writes_to_postgres() {
    let Some(directory) = directory() else { return };
    let (_postgres, backend) = sql(&directory).await;
    write_forever(backend).await;
}

#[tokio::test]
async fn postgres_keeps_what_it_acknowledged_when_its_server_is_killed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new()
        .prefix("micro-kill-")
        .tempdir()
        .expect("a temporary folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("our own");
    for kill in 1..=KILLS {
        let acknowledged = run_and_kill("kills::child_writes_to_postgres", folder.path(), 100 * kill as usize);
        let (postgres, backend) = sql(folder.path()).await;
        check(backend, &acknowledged).await;
        postgres.stop().await;
    }
}

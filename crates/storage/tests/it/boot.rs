//! What a start costs, from nothing and on what is there.

use std::{os::unix::fs::PermissionsExt, path::Path, time::Instant};

use micro_postgres::{Options, Postgres};
use micro_storage::{Db, migrate, sql::Hot};

async fn boot(directory: &Path) -> u128 {
    let started = Instant::now();
    let postgres = Postgres::start(Options::durable(directory)).await.expect("starts");
    let up = started.elapsed().as_millis();
    migrate(postgres.urls()).await.expect("migrates");
    let migrated = started.elapsed().as_millis();
    let db = Db::connect(postgres.urls(), Default::default())
        .await
        .expect("connects");
    let checked = started.elapsed().as_millis();
    Hot::connect(&db).await.expect("connects");
    let all = started.elapsed().as_millis();
    db.ping().await.expect("answers");
    db.close().await;
    let stopping = Instant::now();
    postgres.stop().await;
    println!(
        "up {up} ms, migrated {migrated} ms, checked {checked} ms, connected {all} ms; stopped in {} ms",
        stopping.elapsed().as_millis()
    );
    all
}

#[tokio::test]
async fn a_warm_start_is_quick() {
    let folder = tempfile::Builder::new()
        .prefix("micro-boot-")
        .tempdir()
        .expect("a temporary folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("our own");
    boot(folder.path()).await;
    let warm = boot(folder.path()).await;
    // Five times the budget of the whole platform's start: a machine that builds beside it is slow, `make bench` gates.
    assert!(warm < 2_500, "a warm start took {warm} ms");
}

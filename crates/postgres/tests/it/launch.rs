//! Starts, stops and recoveries.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    time::Instant,
};

use micro_postgres::{Options, Postgres, PostgresError};
use secrecy::ExposeSecret;

use crate::{logins::client, places::Place};

#[tokio::test]
async fn what_was_written_is_there_after_a_stop() {
    let place = Place::new();
    let postgres = Postgres::start(Options::durable(place.path()))
        .await
        .expect("starts cold");
    let owner = client(postgres.urls().owner.expose_secret()).await;
    owner
        .batch_execute("create table kept (id int8); insert into kept values (7)")
        .await
        .expect("writes");
    postgres.stop().await;

    let started = Instant::now();
    let postgres = Postgres::start(Options::durable(place.path()))
        .await
        .expect("starts warm");
    let warm = started.elapsed();
    println!("warm start: {} ms", warm.as_millis());
    assert!(warm.as_millis() < 1_000, "warm start took {warm:?}");
    let owner = client(postgres.urls().owner.expose_secret()).await;
    assert_eq!(
        owner
            .query_one("select id from kept", &[])
            .await
            .expect("reads")
            .get::<_, i64>(0),
        7
    );
}

#[tokio::test]
async fn one_process_per_directory() {
    let place = Place::new();
    let _first = Postgres::start(Options::test(place.path())).await.expect("starts");
    let second = Postgres::start(Options::test(place.path()))
        .await
        .expect_err("the first one runs");
    assert!(matches!(second, PostgresError::InUse(_)), "{second:?}");
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket() {
    let place = Place::new();
    let deep = place.join(&"d".repeat(120));
    let postgres = Postgres::start(Options::test(deep)).await.expect("starts");
    let socket = postgres.socket().to_owned();
    assert!(socket.as_os_str().len() < 91);
    client(postgres.urls().serving.expose_secret()).await;
    postgres.stop().await;
    let _ = fs::remove_dir_all(socket);
}

#[tokio::test]
async fn a_pid_file_of_a_stranger_does_not_stop_a_start() {
    let place = Place::new();
    Postgres::start(Options::test(place.path()))
        .await
        .expect("starts")
        .stop()
        .await;
    let stale = format!(
        "{}\n/elsewhere\n0\n5432\n/elsewhere\n\n0 0\nready\n",
        std::process::id()
    );
    fs::write(place.join("data/postmaster.pid"), stale).expect("writes");
    Postgres::start(Options::test(place.path()))
        .await
        .expect("starts again");
}

/// Run as a child by the tests below: holds a server until it is killed.
#[tokio::test]
#[ignore = "a child process of other tests"]
async fn child_holds_a_server() {
    let Some(directory) = std::env::var_os("MICRO_TEST_DIRECTORY") else {
        return;
    };
    let postgres = Postgres::start(Options::durable(directory)).await.expect("starts");
    let owner = client(postgres.urls().owner.expose_secret()).await;
    owner
        .batch_execute("create table if not exists kept (id int8)")
        .await
        .expect("makes");
    for id in 0_i64.. {
        owner
            .execute("insert into kept values ($1)", &[&id])
            .await
            .expect("writes");
        println!("acknowledged {id}");
    }
}

#[tokio::test]
async fn after_kill_nine_the_next_start_recovers_every_acknowledged_write() {
    const KILLS: i64 = 3;
    let place = Place::new();
    for kill in 1..=KILLS {
        let mut child = Command::new(std::env::current_exe().expect("ourselves"))
            .args(["--ignored", "--exact", "--nocapture", "launch::child_holds_a_server"])
            .env("MICRO_TEST_DIRECTORY", place.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let said = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut acknowledged = said
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("acknowledged ")?.1.parse::<i64>().ok());
        acknowledged.by_ref().take_while(|id| *id < 50 * kill).for_each(drop);
        child.kill().expect("kills");
        let last = acknowledged.last().unwrap_or(50 * kill);
        assert_eq!(child.wait().expect("ends").signal(), Some(9));

        let postgres = Postgres::start(Options::durable(place.path())).await.expect("recovers");
        let owner = client(postgres.urls().owner.expose_secret()).await;
        let kept = owner
            .query_one("select count(*) from kept", &[])
            .await
            .expect("reads")
            .get::<_, i64>(0);
        assert!(kept > last, "{last} was acknowledged, {kept} rows are there");
        owner.batch_execute("truncate kept").await.expect("empties");
        postgres.stop().await;
    }
}

#[tokio::test]
async fn what_a_crash_left_half_made_is_made_anew() {
    let place = Place::new();
    fs::create_dir(place.join("data.new")).expect("makes");
    fs::write(place.join("data.new/half"), "made").expect("writes");
    fs::write(place.join("initdb.password"), "left behind").expect("writes");
    let postgres = Postgres::start(Options::test(place.path())).await.expect("starts");
    client(postgres.urls().owner.expose_secret()).await;
    assert!(!place.join("initdb.password").exists());
}

#[tokio::test]
async fn as_root_a_directory_that_the_servers_user_cannot_reach_is_refused_by_name() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let place = Place::new();
    if fs::metadata(place.path()).expect("made").uid() != 0 {
        println!("skipped: we are not root, the server runs as ourselves");
        return;
    }
    let private = place.join("private");
    fs::create_dir(&private).expect("makes");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).expect("our own");
    let refused = Postgres::start(Options::test(private.join("postgres")))
        .await
        .expect_err("unreachable");
    assert!(
        matches!(&refused, PostgresError::Unreachable(path) if path.ends_with("private")),
        "{refused:?}"
    );
}

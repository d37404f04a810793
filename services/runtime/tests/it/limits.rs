//! What a plan allows of a service: as much and no more.

use std::{fs, path::Path};

use futures::future::join_all;
use micro_error::Kind;
use micro_proto::runtime::CreateOptions;
use micro_testkit::eventually;

use crate::app::{SOON, World, script, tar};

/// A service of three files, and how many bytes they have.
fn source(filler: usize) -> (Vec<u8>, u64) {
    let (command, body, rest) = (
        "command = [\"/bin/sh\", \"run.sh\"]",
        "exec sleep 1000\n",
        "x".repeat(filler),
    );
    let files = [("micro.toml", command), ("run.sh", body), ("filler", rest.as_str())];
    let bytes = files.iter().map(|(_, text)| text.len() as u64).sum();
    (tar(&files), bytes)
}

/// What becomes of that source where so much may be uploaded: nothing to complain of, or why not.
async fn uploaded(bytes: u64, entries: u64) -> String {
    let mut world = World::new();
    (world.limits.upload_bytes.max, world.limits.upload_entries.max) = (bytes, entries);
    let app = world.start().await;
    let news = app.ada().run("greeter", source(500).0).await;
    let last = news.last().expect("news");
    let said = match last.status {
        4 => String::new(),
        _ => last.error.clone(),
    };
    app.stop().await;
    said
}

#[tokio::test]
async fn a_source_unpacks_to_so_many_bytes_and_files_and_no_more() {
    let (_, bytes) = source(500);
    assert_eq!(uploaded(bytes, 3).await, "", "to the last byte and file");
    assert_eq!(
        uploaded(bytes - 1, 3).await,
        format!(
            "Error loading source: limit upload.bytes reached: {bytes} of {}",
            bytes - 1
        )
    );
    assert_eq!(
        uploaded(bytes, 2).await,
        "Error loading source: limit upload.entries reached: 3 of 2"
    );
}

#[tokio::test]
async fn an_upload_that_cannot_fit_is_cut_short() {
    let mut world = World::new();
    world.limits.upload_bytes.max = 1_000;
    world.limits.upload_entries.max = 1;
    let app = world.start().await;
    let refused = app
        .ada()
        .upload("greeter", vec![0; 2 << 20])
        .await
        .expect_err("too large");
    assert_eq!((refused.kind(), refused.id()), (Kind::TooLarge, "limits.upload.bytes"));
    assert!(
        refused.message().starts_with("limit upload.bytes reached: "),
        "{refused}"
    );
    app.stop().await;
}

#[tokio::test]
async fn a_build_takes_so_many_seconds_and_no_more() {
    let mut world = World::new();
    world.limits.build_seconds.max = 1;
    let app = world.start().await;
    let ada = app.ada();
    let build = |words: &str| {
        let manifest = format!("build = \"{words}\"\ncommand = [\"/bin/sleep\", \"1000\"]");
        tar(&[("micro.toml", &manifest)])
    };
    let news = ada.run("quick", build("true")).await;
    assert_eq!(news.last().expect("news").status, 4, "{news:?}");
    let news = ada.run("slow", build("sleep 1000")).await;
    assert_eq!(
        news.last().expect("news").error,
        "Error building service: limit build.seconds reached: 1"
    );
    app.stop().await;
}

#[tokio::test]
async fn services_that_begin_at_once_are_no_more_than_allowed() {
    let mut world = World::new();
    world.limits.services.max = 3;
    let app = world.start().await;
    let ada = app.ada();
    let names: Vec<_> = (0..8).map(|n| format!("s{n}")).collect();
    for name in &names {
        ada.upload(name, script("exec sleep 1000\n")).await.expect("uploaded");
    }
    let create = |name: &String| {
        let (name, source) = (name.clone(), format!("source://{name}:latest"));
        let ada = app.ada();
        async move { ada.create(&name, &source, CreateOptions::default()).await }
    };
    let created = join_all(names.iter().map(create)).await;
    let refused: Vec<_> = created.iter().filter_map(|c| c.as_ref().err()).collect();
    assert_eq!(refused.len(), 5, "{created:?}");
    assert!(refused.iter().all(|e| e.id() == "limits.services"), "{refused:?}");
    let absent = ada.update("another", "source://another:latest").await;
    assert_eq!(absent.expect_err("nothing to update").kind(), Kind::NotFound);
    app.stop().await;
}

/// Bytes of all files of logs below a folder.
fn logged(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => logged(&entry.path()),
            Ok(data) if entry.path().parent().is_some_and(|p| p.ends_with("logs")) => data.len(),
            _ => 0,
        })
        .sum()
}

#[tokio::test]
async fn a_log_keeps_so_many_bytes_and_says_what_it_left_out() {
    const MODEST: usize = 300;
    let mut world = World::new();
    let most = 512 << 10;
    world.limits.log_bytes.max = most;
    let app = world.start().await;
    let ada = app.ada();
    let line = "0123456789".repeat(20);
    let print = |count: usize| format!("n=0\nwhile [ $n -lt {count} ]; do n=$((n+1)); echo $n {line}; done\n");
    ada.run("modest", script(&format!("{}exec sleep 1000\n", print(MODEST))))
        .await;
    eventually("all is kept", SOON, || async {
        ada.output("modest").await.len() == MODEST
    })
    .await;

    let chatty = format!("{}while true; do echo on; sleep 1; done\n", print(8_000));
    ada.run("chatty", script(&chatty)).await;
    eventually("it says so", SOON, || async {
        let lines = ada.logs("chatty", 0).await.expect("logs");
        lines
            .iter()
            .any(|line| line.message.ends_with("more was written than the log may take"))
    })
    .await;
    let bytes = logged(app.world.folder.path());
    assert!((1..=most).contains(&bytes), "{bytes} bytes of two logs");
    app.stop().await;
}

//! Logs: exact, ordered, followed.

use std::time::Duration;

use futures::StreamExt;
use micro_proto::runtime::{LogsRequest, Runtime as _};
use micro_testkit::eventually;
use tokio::time::timeout;

use crate::app::{App, SOON, script};

#[tokio::test]
async fn the_last_lines_are_exact() {
    let app = App::start().await;
    let ada = app.ada();
    ada.run(
        "chatty",
        script("for n in 1 2 3 4 5 6 7 8 9; do echo line $n; done\nexec sleep 1000\n"),
    )
    .await;
    eventually("all is said", SOON, || async { ada.output("chatty").await.len() == 9 }).await;
    let lines = ada.logs("chatty", 3).await.expect("logs");
    let messages: Vec<&str> = lines.iter().map(|l| l.message.as_str()).collect();
    assert_eq!(messages, ["line 7", "line 8", "line 9"]);
    assert_eq!(
        (
            lines[0].metadata["stream"].as_str(),
            lines[0].metadata["service"].as_str()
        ),
        ("stdout", "chatty")
    );
    app.stop().await;
}

#[tokio::test]
async fn a_follower_sees_every_line_once_across_an_update() {
    let app = App::start().await;
    let ada = app.ada();
    let go = app.world.folder.path().join("go");
    let body = format!(
        "while [ ! -e {} ]; do sleep 0.02; done\nseq 1 500\nexec sleep 1000\n",
        go.display()
    );
    ada.run("chatty", script(&body)).await;
    let request = LogsRequest {
        service: "chatty".into(),
        stream: true,
        count: 1,
        ..LogsRequest::default()
    };
    let follower = app.runtime.logs(&ada.caller, request).await.expect("followed");
    let mut numbers = follower
        .filter_map(|line| async { line.expect("a line").message.parse::<u32>().ok() })
        .boxed();
    std::fs::write(&go, "").expect("written");
    let first: Vec<u32> = timeout(SOON, numbers.by_ref().take(500).collect())
        .await
        .expect("all come");
    assert_eq!(first, (1..=500).collect::<Vec<_>>());
    ada.run("chatty", script("seq 501 600\nexec sleep 1000\n")).await;
    let second: Vec<u32> = timeout(SOON, numbers.by_ref().take(100).collect())
        .await
        .expect("all come");
    assert_eq!(second, (501..=600).collect::<Vec<_>>());
    assert!(
        timeout(Duration::from_millis(300), numbers.next()).await.is_err(),
        "and it stays open"
    );
    app.stop().await;
}

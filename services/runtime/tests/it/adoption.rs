//! A server that goes and comes back.

use std::time::Duration;

use micro_domain::InstanceId;
use micro_proto::runtime::CreateOptions;
use micro_testkit::eventually;

use crate::app::{SOON, STAYS, World, script};

/// Runs a service on a server that then dies as by kill -9: nothing is told to end. Its instance and what it printed.
pub async fn left_by_a_dead_server(world: &World, body: &str) -> (InstanceId, String) {
    let (world, body) = (world.clone(), body.to_owned());
    let life = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let left = runtime.block_on(async {
            let app = world.start().await;
            let ada = app.ada();
            ada.run("greeter", script(&body)).await;
            eventually("it speaks", SOON, || async { !ada.output("greeter").await.is_empty() }).await;
            let [instance] = ada.serving("greeter")[..] else {
                panic!("one instance")
            };
            (instance, ada.output("greeter").await[0].clone())
        });
        runtime.shutdown_background();
        left
    };
    tokio::task::spawn_blocking(life).await.expect("a short life")
}

#[tokio::test]
async fn what_runs_is_adopted_by_the_next_server() {
    let world = World::new();
    let (running, _) = left_by_a_dead_server(&world, STAYS).await;
    let app = world.start().await;
    let ada = app.ada();
    assert_eq!(ada.serving("greeter"), [running], "the same instance serves, at once");
    ada.wait_for("greeter", 4).await;
    assert_eq!(
        ada.output("greeter").await,
        ["hello from greeter"],
        "and was not started again"
    );
    ada.kill("greeter").await.expect("killed");
    assert!(world.accounts_of("greeter").is_empty());
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_ended() {
    let world = World::new();
    let (_, process) = left_by_a_dead_server(&world, "echo $$\nexec sleep 1000\n").await;
    let process = format!("/proc/{process}");
    assert!(std::path::Path::new(&process).exists(), "it outlives its server");
    let mut forgetful = World::new();
    forgetful.folder = world.folder.clone();
    let app = forgetful.start().await;
    assert!(
        !std::path::Path::new(&process).exists(),
        "an instance without a record is an orphan"
    );
    assert!(app.ada().services().await.is_empty());
    app.stop().await;
}

#[tokio::test]
async fn a_stopped_server_leaves_nothing_and_starts_it_all_again() {
    let world = World::new();
    let app = world.start().await;
    let ada = app.ada();
    for name in ["one", "two", "three"] {
        ada.run(name, script("trap '' TERM\necho $$\nwhile true; do sleep 0.1; done\n"))
            .await;
    }
    let began = std::time::Instant::now();
    let world = app.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "in parallel: {:?}",
        began.elapsed()
    );
    assert!(world.accounts_of("").is_empty());

    let app = world.start().await;
    for name in ["one", "two", "three"] {
        app.ada().wait_for(name, 4).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn an_unfinished_build_is_built_by_the_next_server() {
    let world = World::new();
    let app = world.start().await;
    let go = world.folder.path().join("go");
    let toml = format!(
        "build = \"while [ ! -e {} ]; do sleep 0.02; done\"\ncommand = [\"sleep\", \"1000\"]",
        go.display()
    );
    let source = app
        .ada()
        .upload("slow", crate::app::tar(&[("micro.toml", &toml)]))
        .await
        .expect("uploaded");
    app.ada()
        .create("slow", &source, CreateOptions::default())
        .await
        .expect("created");
    app.ada().wait_for("slow", 2).await;
    let world = app.stop().await;

    std::fs::write(&go, "").expect("written");
    let app = world.start().await;
    app.ada().wait_for("slow", 4).await;
    app.stop().await;
}

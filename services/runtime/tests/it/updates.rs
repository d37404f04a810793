//! A new release beside the old one.

use micro_error::Kind;
use micro_proto::runtime::CreateOptions;
use micro_testkit::eventually;

use crate::app::{App, SOON, STAYS, script};

#[tokio::test]
async fn the_new_release_takes_over_once_it_is_healthy() {
    let app = App::start().await;
    let ada = app.ada();
    let source = ada.upload("greeter", script(STAYS)).await.expect("uploaded");
    let options = CreateOptions {
        env: vec!["COLOUR=blue".into()],
        args: vec!["an".into(), "arg".into()],
        ..CreateOptions::default()
    };
    ada.create("greeter", &source, options).await.expect("created");
    ada.news("greeter").await;
    let [old] = ada.serving("greeter")[..] else {
        panic!("one instance")
    };

    let source = ada
        .upload("greeter", script("echo second $COLOUR $*\nexec sleep 1000\n"))
        .await
        .expect("uploaded");
    ada.update("greeter", &source).await.expect("updated");
    let news = ada.news("greeter").await;
    let last = news.last().expect("news");
    assert_eq!((last.release, last.status), (2, 4));
    let [new] = ada.serving("greeter")[..] else {
        panic!("one instance")
    };
    assert_ne!(old, new);
    eventually("it kept environment and arguments", SOON, || async {
        ada.output("greeter").await.contains(&"second blue an arg".to_owned())
    })
    .await;
    eventually("the old one is gone", SOON, || async {
        app.world.accounts_of("greeter") == [new]
    })
    .await;
    let drained = app.world.neighbours.drained.lock().expect("unbroken").clone();
    assert_eq!(drained, [old], "it was drained before");
    app.stop().await;
}

#[tokio::test]
async fn a_failing_release_leaves_the_old_one_serving() {
    let app = App::start().await;
    let ada = app.ada();
    ada.run("greeter", script(STAYS)).await;
    let old = ada.serving("greeter");
    for (body, reason) in [
        ("exit 9\n", "Error updating service: it exited with code 9"),
        (
            "echo broken >&2\nexit 1\n",
            "Error updating service: it exited with code 1 (broken)",
        ),
    ] {
        // Only the new one stays silent: the old one has registered long ago.
        app.world.never_registers("greeter");
        let source = ada.upload("greeter", script(body)).await.expect("uploaded");
        ada.update("greeter", &source).await.expect("accepted");
        let news = ada.news("greeter").await;
        let last = news.last().expect("news");
        assert_eq!((last.status, last.error.as_str()), (7, reason));
        let services = ada.services().await;
        assert_eq!(services[0].status, 4, "the old one serves");
        assert_eq!(services[0].metadata["error"], reason);
        assert_eq!(ada.serving("greeter"), old);
    }
    app.stop().await;
}

#[tokio::test]
async fn running_it_again_deploys_it_again() {
    let app = App::start().await;
    let ada = app.ada();
    ada.run("greeter", script(STAYS)).await;
    let news = ada.run("greeter", script("echo again\nexec sleep 1000\n")).await;
    assert_eq!(news.last().map(|e| (e.release, e.status)), Some((2, 4)));
    eventually("the new code runs", SOON, || async {
        ada.output("greeter").await.contains(&"again".to_owned())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn only_what_runs_can_be_updated() {
    let app = App::start().await;
    let refused = app.ada().update("nobody", "h.io/a/b").await.expect_err("unknown");
    assert_eq!(
        (refused.kind(), refused.message(), refused.id()),
        (Kind::NotFound, "not found", "runtime.Runtime.Update")
    );
    app.stop().await;
}

#[tokio::test]
async fn a_release_that_is_overtaken_is_not_built_on() {
    let app = App::start().await;
    let ada = app.ada();
    let slow = crate::app::tar(&[("micro.toml", "build = \"sleep 1000\"\ncommand = \"true\"")]);
    let source = ada.upload("greeter", slow).await.expect("uploaded");
    ada.create("greeter", &source, CreateOptions::default())
        .await
        .expect("created");
    ada.wait_for("greeter", 2).await;
    let news = ada.run("greeter", script(STAYS)).await;
    assert_eq!(news.last().map(|e| (e.release, e.status)), Some((2, 4)));
    app.stop().await;
}

//! Several servers over the same records, one of which runs services.

use std::sync::Arc;

use async_trait::async_trait;
use micro_error::Kind;
use micro_proto::runtime::CreateOptions;
use micro_rpc::mesh::Duty;
use micro_testkit::{eventually, tenant};
use tokio::sync::watch;

use crate::{
    adoption::left_by_a_dead_server,
    app::{App, SOON, STAYS, World, script},
};

/// A duty that comes and goes.
struct Switch(watch::Sender<bool>);

#[async_trait]
impl Duty for Switch {
    fn holds(&self) -> bool {
        *self.0.borrow()
    }

    async fn held(&self) {
        let mut on = self.0.subscribe();
        on.wait_for(|on| *on).await.expect("the sender is here");
    }
}

/// Another machine over the same records.
fn elsewhere(world: &World, on_duty: bool) -> (World, Arc<Switch>) {
    let duty = Arc::new(Switch(watch::Sender::new(on_duty)));
    let world = World {
        folder: World::new().folder,
        duty: duty.clone(),
        ..world.clone()
    };
    (world, duty)
}

fn runs(process: &str) -> bool {
    std::path::Path::new(&format!("/proc/{process}")).exists()
}

#[tokio::test]
async fn what_another_server_runs_by_now_is_ended_and_its_log_kept() {
    let mut world = World::new();
    let (_, process) = left_by_a_dead_server(&world, "echo $$\nexec sleep 1000\n").await;
    assert!(runs(&process), "it outlives its server");
    let duty = Arc::new(Switch(watch::Sender::new(false)));
    world.duty = duty.clone();
    let app = world.open();
    app.runtime.end_leftovers().await.expect("ended");
    assert!(!runs(&process));
    assert!(app.ada().serving("greeter").is_empty());

    duty.0.send_replace(true);
    app.runtime.take_over().await.expect("taken over");
    app.ada().wait_for("greeter", 4).await;
    eventually("both generations' words", SOON, || async {
        let said = app.ada().output("greeter").await;
        said.len() == 2 && said[0] == process
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_service_made_anew_elsewhere_is_not_taken_for_the_old_one() {
    let world = World::new();
    let (old, process) = left_by_a_dead_server(&world, "echo $$\nexec sleep 1000\n").await;
    let (other, _) = elsewhere(&world, true);
    let app = other.start().await;
    app.ada().kill("greeter").await.expect("killed");
    app.ada()
        .run("greeter", script("echo the new one\nexec sleep 1000\n"))
        .await;
    app.stop().await;

    let app = world.start().await;
    assert!(!runs(&process), "the old one has ended, though its number is wanted");
    app.ada().wait_for("greeter", 4).await;
    assert!(!app.ada().serving("greeter").contains(&old));
    eventually("it is unpacked anew", SOON, || async {
        app.ada().output("greeter").await.contains(&"the new one".to_owned())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn whoever_may_have_been_replaced_starts_nothing() {
    let (world, duty) = elsewhere(&World::new(), true);
    let app = world.start().await;
    let (go, seen) = (world.folder.path().join("go"), world.folder.path().join("seen"));
    let body = format!(
        "echo up >> {}\nwhile [ ! -e {} ]; do sleep 0.02; done\n",
        seen.display(),
        go.display()
    );
    app.ada().run("greeter", script(&body)).await;
    duty.0.send_replace(false);
    std::fs::write(&go, "").expect("written");
    let refused = app.ada().create("other", "h.io/a/b", CreateOptions::default()).await;
    assert_eq!(refused.expect_err("not by this server").kind(), Kind::Unavailable);
    // Whatever ended meanwhile is not dealt with any more.
    app.runtime.lay_down().await;
    let ups = std::fs::read_to_string(&seen).expect("it ran");
    assert_eq!(ups, "up\n");
    assert!(world.accounts_of("").is_empty());

    std::fs::remove_file(&go).expect("there");
    duty.0.send_replace(true);
    app.runtime.take_over().await.expect("taken over");
    app.ada().wait_for("greeter", 4).await;
    app.stop().await;
}

#[tokio::test]
async fn a_namespace_is_cleared_by_whoever_runs_it() {
    let (leader, _) = elsewhere(&World::new(), true);
    let app = leader.start().await;
    app.ada().run("greeter", script(STAYS)).await;
    let (follower, _) = elsewhere(&leader, false);
    let follower: App = follower.open();
    let ada = tenant("ada-ns").namespace().clone();
    tokio::select! {
        evicted = follower.runtime.evict(&ada) => evicted.expect("cleared"),
        () = app.runtime.see_off() => unreachable!("it looks on"),
    }
    assert!(app.ada().services().await.is_empty());
    assert!(leader.accounts_of("").is_empty(), "nothing runs");
    app.stop().await;
}

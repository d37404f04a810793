//! The same under real confinement, in the mode that this machine and user allow.

use std::{fs, path::Path};

use micro_proto::runtime::CreateOptions;
use micro_rpc::mesh::Instances;
use micro_runtime::Sdk;
use micro_testkit::{eventually, tenant};
use tokio::io::AsyncReadExt;

use crate::{
    adoption::left_by_a_dead_server,
    app::{App, Person, SOON, World, script, tar},
    git::{host, repository},
};

/// Where a confined service listens.
const PORT: u16 = 8080;

pub fn confined() -> World {
    let mut world = World::new();
    world.mode = micro_sandbox::probe().expect("tenant code can be confined here");
    world.registers_at(PORT);
    world
}

/// A service that answers with these words.
fn answers(words: &str) -> String {
    format!(
        "exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1:8080\", Listen => 5) or die; \
         while ($c = $s->accept) {{ print $c \"{words}\"; close $c }}'\n"
    )
}

async fn asked(app: &App, person: &Person<'_>, service: &str) -> String {
    let [instance] = person.serving(service)[..] else {
        panic!("one instance")
    };
    let way = app
        .instances
        .connector(tenant("ada-ns").id(), instance, PORT)
        .expect("it serves");
    let mut answer = String::new();
    way.connect()
        .await
        .expect("connected")
        .read_to_string(&mut answer)
        .await
        .expect("answered");
    answer
}

#[tokio::test]
async fn a_confined_service_answers_through_its_keeper_only() {
    let app = confined().start().await;
    let ada = app.ada();
    let body = format!(
        "env | grep -c CARGO; ls /app\ntouch /app/x 2>&1 | grep -c Read-only\n{}",
        answers("hello")
    );
    let news = ada.run("greeter", script(&body)).await;
    assert_eq!(news.last().map(|e| e.status), Some(4), "{news:?}");
    assert_eq!(asked(&app, &ada, "greeter").await, "hello");
    assert_eq!(ada.output("greeter").await, ["0", "micro.toml", "run.sh", "1"]);
    let [instance] = ada.serving("greeter")[..] else {
        panic!("one instance")
    };
    assert!(
        app.instances
            .connector(tenant("bobs-ns").id(), instance, PORT)
            .is_none(),
        "not for a stranger"
    );
    ada.kill("greeter").await.expect("killed");
    app.stop().await;
}

/// An SDK in one function.
fn small_sdk(world: &World) -> Sdk {
    let source = world.folder.path().join("sdk");
    let write = |path: &str, text: &str| {
        let path = source.join(path);
        fs::create_dir_all(path.parent().expect("has one")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"micro-sdk\"\nversion = \"0.1.3\"\nedition = \"2024\"\n\n[workspace]\n",
    );
    let serve = "use std::{io::Write, net::TcpListener};\n\
                 pub fn serve(words: &str) {\n    let listener = TcpListener::bind(\"127.0.0.1:8080\").unwrap();\n    \
                 for peer in listener.incoming() {\n        let _ = peer.unwrap().write_all(words.as_bytes());\n    }\n}\n";
    write("src/lib.rs", serve);
    Sdk {
        source,
        cache: world.folder.path().join("layers"),
    }
}

fn greeter(words: &str) -> Vec<u8> {
    let manifest = "[package]\nname = \"greeter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                    [dependencies]\nmicro-sdk = \"0.1\"\n";
    let main = format!("fn main() {{ micro_sdk::serve({words:?}) }}\n");
    tar(&[("Cargo.toml", manifest), ("src/main.rs", &main)])
}

#[tokio::test]
async fn rust_is_built_on_the_sdk_layer_without_a_network() {
    let mut world = confined();
    world.sdk = Some(small_sdk(&world));
    let app = world.start().await;
    let ada = app.ada();
    let news = ada.run("greeter", greeter("hello")).await;
    assert_eq!(news.last().map(|e| e.status), Some(4), "{news:?}");
    assert_eq!(asked(&app, &ada, "greeter").await, "hello");
    assert!(
        !news.iter().any(|e| e.line.contains("Compiling micro-sdk")),
        "the layer has it compiled: {news:?}"
    );

    // The second time only what changed is compiled.
    let news = ada.run("greeter", greeter("hello again")).await;
    assert_eq!(news.last().map(|e| (e.release, e.status)), Some((2, 4)), "{news:?}");
    let compiled = news.iter().filter(|e| e.line.contains("Compiling ")).count();
    assert_eq!(compiled, 1, "{news:?}");
    assert_eq!(asked(&app, &ada, "greeter").await, "hello again");

    let mut lines = String::new();
    let told = std::sync::Mutex::new(&mut lines);
    app.runtime
        .prepare(&|line| told.lock().expect("unbroken").push_str(&line))
        .await
        .expect("it is there");
    assert_eq!(lines, "", "a layer is made once");
    app.stop().await;
}

#[tokio::test]
async fn what_the_platform_does_not_have_is_named() {
    let mut world = confined();
    world.sdk = Some(small_sdk(&world));
    let app = world.start().await;
    let ada = app.ada();
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\nleft-pad = \"1\"\n";
    let news = ada
        .run("x", tar(&[("Cargo.toml", manifest), ("src/main.rs", "fn main() {}\n")]))
        .await;
    let last = news.last().expect("news");
    assert!(
        last.error.contains("no matching package named `left-pad` found"),
        "{}",
        last.error
    );
    app.stop().await;
}

#[tokio::test]
async fn git_goes_through_the_egress_door() {
    let root = tempfile::tempdir().expect("a folder");
    repository(root.path(), &answers("from git"));
    let address = host(root.path().to_owned()).await;
    let mut world = confined();
    world.egress = vec![address.to_string()];
    let app = world.start().await;
    let ada = app.ada();
    let source = format!("http://{address}/greeter.git@dev");
    ada.create("greeter", &source, CreateOptions::default())
        .await
        .expect("created");
    let news = ada.news("greeter").await;
    assert_eq!(news.last().map(|e| e.status), Some(4), "{news:?}");
    assert_eq!(asked(&app, &ada, "greeter").await, "from git");
    app.stop().await;
}

#[tokio::test]
async fn an_unlisted_host_is_refused_and_the_log_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    repository(root.path(), "true");
    let address = host(root.path().to_owned()).await;
    let mut world = confined();
    world.egress = vec!["example.com".to_owned()];
    let app = world.start().await;
    let ada = app.ada();
    ada.create(
        "greeter",
        &format!("http://{address}/greeter.git"),
        CreateOptions::default(),
    )
    .await
    .expect("created");
    let news = ada.news("greeter").await;
    assert_eq!(news.last().map(|e| e.status), Some(7), "{news:?}");
    let words = format!("egress: {address} is not among the hosts that builds may reach");
    eventually("the log says so", SOON, || async {
        ada.logs("greeter", 0)
            .await
            .expect("logs")
            .iter()
            .any(|l| l.message == words)
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_hostile_build_reaches_nothing_of_ours() {
    let world = confined();
    let app = world.start().await;
    let ada = app.ada();
    let canary = world.folder.path().join("canary");
    fs::write(&canary, "secret").expect("written");
    let data = world.data_dir();
    let build = format!(
        "cat {0}; ls {1}; ls /src; ln -s {0} stolen; ln -s {1} everything; exit 0",
        canary.display(),
        data.display(),
    );
    let toml = format!("build = {build:?}\ncommand = [\"cat\", \"stolen\"]");
    let news = ada.run("thief", tar(&[("micro.toml", &toml)])).await;
    let last = news.last().expect("news");
    assert_eq!(
        last.error,
        "Error building service: the build left everything, which is neither a file nor a folder"
    );
    assert!(news.iter().any(|e| e.line == "micro.toml"), "it ran: {news:?}");
    assert!(!news.iter().any(|e| e.line == "secret"), "{news:?}");
    assert!(Path::new(&canary).exists());
    app.stop().await;
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_told_so() {
    let app = confined().start().await;
    let ada = app.ada();
    for _ in 0..3 {
        let news = ada.run("short", script("echo nothing to do\n")).await;
        let last = news.last().expect("news");
        assert_eq!(
            last.error,
            "Error creating service: it exited with code 0 (nothing to do)"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_confined_service_is_adopted_with_its_doors() {
    let world = confined();
    let (instance, _) = left_by_a_dead_server(&world, &format!("echo up\n{}", answers("still here"))).await;
    let app = world.start().await;
    let ada = app.ada();
    assert_eq!(ada.serving("greeter"), [instance]);
    assert_eq!(asked(&app, &ada, "greeter").await, "still here");
    ada.kill("greeter").await.expect("killed");
    app.stop().await;
}

#[tokio::test]
async fn an_update_under_confinement_shifts_to_the_new_instance() {
    let app = confined().start().await;
    let ada = app.ada();
    ada.run("greeter", script(&answers("old"))).await;
    assert_eq!(asked(&app, &ada, "greeter").await, "old");
    let news = ada.run("greeter", script(&answers("new"))).await;
    assert_eq!(news.last().map(|e| (e.release, e.status)), Some((2, 4)), "{news:?}");
    assert_eq!(asked(&app, &ada, "greeter").await, "new");
    app.stop().await;
}

//! Create, status, logs, kill, and what keeps a service running.

use micro_error::Kind;
use micro_proto::runtime::{
    CreateOptions, CreateRequest, Namespace, NetworkPolicy, Resource, ResourceQuota, Runtime as _, Service,
};
use micro_testkit::eventually;

use crate::app::{App, SOON, STAYS, World, nothing_in, script, tar};

#[tokio::test]
async fn a_script_is_run_seen_heard_and_killed() {
    let app = App::start().await;
    let ada = app.ada();
    let news = ada.run("greeter", script(STAYS)).await;
    let statuses: Vec<i32> = news.iter().filter(|e| e.line.is_empty()).map(|e| e.status).collect();
    assert_eq!(statuses, [2, 3, 4], "{news:?}");

    let services = ada.services().await;
    let [greeter] = services.as_slice() else {
        panic!("one service: {services:?}")
    };
    assert_eq!(
        (greeter.name.as_str(), greeter.version.as_str(), greeter.status),
        ("greeter", "latest", 4)
    );
    assert_eq!(greeter.source, "source://greeter:latest");
    assert_eq!(
        (greeter.metadata["owner"].as_str(), greeter.metadata["group"].as_str()),
        ("ada", "ada-ns")
    );
    assert_eq!(
        (greeter.metadata["status"].as_str(), greeter.metadata["build"].len()),
        ("running", 64)
    );
    assert!(!greeter.metadata.contains_key("error"));
    assert_eq!(ada.serving("greeter").len(), 1);

    eventually("its words are in the log", SOON, || async {
        ada.output("greeter").await == ["hello from greeter"]
    })
    .await;
    ada.kill("greeter").await.expect("killed");
    assert!(ada.services().await.is_empty());
    assert!(app.world.accounts_of("greeter").is_empty(), "its account ended with it");
    let refused = ada.logs("greeter", 15).await.expect_err("gone");
    assert_eq!(
        (refused.kind(), refused.message()),
        (Kind::NotFound, "Logs not found for service greeter")
    );
    let refused = ada.kill("greeter").await.expect_err("gone");
    assert_eq!((refused.kind(), refused.message()), (Kind::NotFound, "not found"));
    app.stop().await;
}

#[tokio::test]
async fn a_service_finds_its_environment_and_nothing_of_ours() {
    let app = App::start().await;
    let ada = app.ada();
    let source = ada
        .upload("envy", script("env | sort\nexec sleep 1000\n"))
        .await
        .expect("uploaded");
    let options = CreateOptions {
        env: vec![
            "COLOUR=blue".into(),
            "MICRO_NAMESPACE=bobs-ns".into(),
            "MICRO_AUTH_SECRET=x".into(),
        ],
        ..CreateOptions::default()
    };
    ada.create("envy", &source, options).await.expect("created");
    ada.wait_for("envy", 4).await;
    eventually("it has printed all", SOON, || async {
        ada.output("envy").await.iter().any(|l| l.starts_with("PWD="))
    })
    .await;
    let env = ada.output("envy").await;
    for expected in [
        "COLOUR=blue",
        "MICRO_NAMESPACE=ada-ns",
        "MICRO_AUTH_ID=envy-latest",
        "MICRO_AUTH_SECRET=s3cret",
        "MICRO_PROXY=127.0.0.1:8443",
        "MICRO_SERVICE_NAME=envy",
        "MICRO_SERVICE_VERSION=latest",
        "MICRO_PROFILE=service",
    ] {
        assert!(env.iter().any(|line| line == expected), "{expected} in {env:?}");
    }
    assert!(
        env.iter()
            .any(|line| line.starts_with("MICRO_SERVICE_ADDRESS=127.0.0.1:"))
    );
    assert!(
        !env.iter().any(|line| line.starts_with("CARGO")),
        "nothing of the server's: {env:?}"
    );
    app.stop().await;
}

#[tokio::test]
async fn what_ends_is_started_again() {
    let app = App::start().await;
    let ada = app.ada();
    let mark = app.world.folder.path().join("crash");
    let body = format!(
        "echo up\nwhile [ ! -e {0} ]; do sleep 0.02; done\nrm {0}\nexit 3\n",
        mark.display()
    );
    ada.run("phoenix", script(&body)).await;
    let [first] = ada.serving("phoenix")[..] else {
        panic!("one instance")
    };
    std::fs::write(&mark, "").expect("written");
    let another = || async { ada.serving("phoenix").iter().any(|id| *id != first) };
    eventually("another instance serves", SOON, another).await;
    assert_eq!(ada.status("phoenix").await, 4);
    eventually("both spoke", SOON, || async {
        ada.output("phoenix").await == ["up", "up"]
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn what_never_becomes_healthy_fails_with_its_last_words() {
    let app = App::start().await;
    app.world.never_registers("broken");
    let ada = app.ada();
    let news = ada
        .run(
            "broken",
            script("echo no such database >&2\necho note: run it with a backtrace >&2\nsleep 0.3\nexit 7\n"),
        )
        .await;
    let last = news.last().expect("news");
    assert_eq!(last.status, 7);
    assert_eq!(
        last.error,
        "Error creating service: it exited with code 7 (no such database)"
    );
    let services = ada.services().await;
    assert_eq!(
        (services[0].status, services[0].metadata["error"].as_str()),
        (7, last.error.as_str())
    );
    assert!(app.world.accounts_of("broken").is_empty());
    app.stop().await;
}

#[tokio::test]
async fn a_source_that_cannot_be_built_says_why() {
    let app = App::start().await;
    let ada = app.ada();
    let link = {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "secrets", "/etc/passwd").expect("packed");
        tar.into_inner().expect("packed")
    };
    let table = [
        (
            tar(&[("go.mod", "")]),
            "Error building service: not built yet on this platform: language go; supported: rust, or a micro.toml with a command",
        ),
        (
            tar(&[("x", "")]),
            "Error building service: nothing here says how to run it: add a Cargo.toml, or a micro.toml with a command",
        ),
        (
            link,
            "Error loading source: the archive's entry \"secrets\" is a link; links are not accepted, put the file itself there",
        ),
        (
            tar(&[(
                "micro.toml",
                "command = \"x\"\nbuild = \"echo cannot compile >&2; exit 2\"",
            )]),
            "Error building service: exited with code 2 (cannot compile)",
        ),
    ];
    for (source, expected) in table {
        let news = ada.run("bad", source).await;
        assert_eq!(news.last().expect("news").error, expected);
    }
    let lines = ada.logs("bad", 0).await.expect("logs");
    assert!(
        lines.iter().any(|l| l.message == "cannot compile"),
        "build output is in the log"
    );
    assert!(lines.iter().any(|l| l.message.starts_with("Error building service: ")));
    assert!(lines.iter().all(|l| l.timestamp > 1_700_000_000));
    app.stop().await;
}

#[tokio::test]
async fn a_command_of_the_author_builds_and_starts() {
    let app = App::start().await;
    let ada = app.ada();
    let files = [(
        "sub/micro.toml",
        "build = \"printf 'echo made; exec sleep 1000' > made.sh\"\ncommand = [\"/bin/sh\", \"made.sh\"]",
    )];
    let source = ada.upload("maker", tar(&files)).await.expect("uploaded");
    let options = CreateOptions {
        entrypoint: "sub".into(),
        ..CreateOptions::default()
    };
    ada.create("maker", &source, options).await.expect("created");
    assert_eq!(ada.news("maker").await.last().expect("news").status, 4);
    eventually("it speaks", SOON, || async { ada.output("maker").await == ["made"] }).await;
    app.stop().await;
}

#[tokio::test]
async fn requests_are_refused_in_micros_words() {
    let app = App::start().await;
    let ada = app.ada();
    let refused = app
        .runtime
        .create(&ada.caller, CreateRequest::default())
        .await
        .expect_err("blank");
    assert_eq!(
        (refused.kind(), refused.message(), refused.id()),
        (Kind::Invalid, "blank resource", "runtime.Runtime.Create")
    );
    for name in ["a:b", "", "../x", "a b"] {
        assert_eq!(
            ada.create(name, "h.io/a/b", CreateOptions::default())
                .await
                .expect_err(name)
                .kind(),
            Kind::Invalid
        );
    }
    for source in ["", "/etc", "ssh://h.io/a/b.git", "source://../x:y"] {
        let refused = ada
            .create("a", source, CreateOptions::default())
            .await
            .expect_err(source);
        assert!(refused.message().starts_with("Error parsing git source: "), "{refused}");
    }
    let options = CreateOptions {
        entrypoint: "../..".into(),
        ..CreateOptions::default()
    };
    assert_eq!(
        ada.create("a", "h.io/a/b", options).await.expect_err("climbs").kind(),
        Kind::Invalid
    );
    let resources = [
        Resource {
            namespace: Some(Namespace::default()),
            ..Resource::default()
        },
        Resource {
            networkpolicy: Some(NetworkPolicy::default()),
            ..Resource::default()
        },
        Resource {
            resourcequota: Some(ResourceQuota::default()),
            ..Resource::default()
        },
    ];
    for resource in resources {
        let request = CreateRequest {
            resource: Some(resource),
            options: None,
        };
        assert_eq!(
            app.runtime
                .create(&ada.caller, request)
                .await
                .expect_err("not hers")
                .kind(),
            Kind::Forbidden
        );
    }
    assert_eq!(
        app.runtime
            .read(&ada.caller, Default::default())
            .await
            .expect("read")
            .services,
        []
    );
    let refused = micro_proto::runtime::Build::read(&*app.runtime, &ada.caller, Service::default()).await;
    assert_eq!(refused.err().expect("not built").kind(), Kind::Unimplemented);
    app.stop().await;
}

#[tokio::test]
async fn the_number_of_services_is_bounded() {
    let mut world = World::new();
    world.limits.services.max = 1;
    let app = world.start().await;
    let ada = app.ada();
    ada.run("one", script(STAYS)).await;
    let refused = ada
        .create("two", "source://one:latest", CreateOptions::default())
        .await
        .expect_err("one too many");
    assert_eq!(
        (refused.kind(), refused.id(), refused.message()),
        (
            Kind::TooMany,
            "limits.services",
            "This namespace has reached its limit of 1 services: 1 in use. `micro account usage` lists all limits"
        )
    );
    ada.create("one", "source://one:latest", CreateOptions::default())
        .await
        .expect("not another one");
    app.person("bobs-ns").run("two", script(STAYS)).await;
    app.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_killed_service() {
    let app = App::start().await;
    let ada = app.ada();
    // It ignores TERM and leaves a child behind.
    ada.run(
        "stubborn",
        script("trap '' TERM\nsetsid sleep 1000 &\necho $!\nwhile true; do sleep 1; done\n"),
    )
    .await;
    eventually("it speaks", SOON, || async { !ada.output("stubborn").await.is_empty() }).await;
    let child = ada.output("stubborn").await[0].clone();
    ada.kill("stubborn").await.expect("killed");
    eventually("its child is gone", SOON, || async {
        !std::path::Path::new(&format!("/proc/{child}")).exists()
    })
    .await;
    let namespace = micro_testkit::tenant("ada-ns").id().to_string();
    assert!(nothing_in(
        &app.world.data_dir().join("namespaces").join(namespace).join("services")
    ));
    app.stop().await;
}

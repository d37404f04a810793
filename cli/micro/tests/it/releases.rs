//! Run, update, status, logs, kill.

use std::fs;

use micro_proto::runtime::Service;

use crate::{
    fake::{Fake, NAMESPACE},
    terminal::Terminal,
};

fn folder(ada: &Terminal, name: &str) {
    fs::create_dir_all(ada.path(name).join("src")).expect("made");
    fs::write(ada.path(name).join("Cargo.toml"), "[package]\n").expect("written");
    fs::write(ada.path(name).join("src/main.rs"), "fn main() {}\n").expect("written");
}

#[test]
fn a_folder_is_uploaded_built_and_waited_for() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    folder(&ada, "greeter");
    let done = ada.run(&["run", "./greeter", "--env_vars", "A=1,B=2", "--args", "-v now"]);
    let talk = "Uploading greeter (2 files, 1 kB)\nBuilding\n   Compiling it\nStarting\ngreeter is running\n";
    assert_eq!(done, (String::new(), talk.into(), 0));

    let uploaded = fake.state().uploaded.lock().expect("not poisoned").clone();
    let mut archive = tar::Archive::new(uploaded.as_slice());
    let names: Vec<_> = archive
        .entries()
        .expect("a tar")
        .map(|e| e.expect("whole").path().expect("a path").into_owned())
        .collect();
    assert_eq!(
        names,
        ["Cargo.toml", "src", "src/main.rs"].map(std::path::PathBuf::from)
    );

    let created = fake
        .state()
        .created
        .lock()
        .expect("not poisoned")
        .clone()
        .expect("created");
    let (service, options) = (
        created.resource.unwrap_or_default().service.unwrap_or_default(),
        created.options.unwrap_or_default(),
    );
    let path = ada
        .path("greeter")
        .canonicalize()
        .expect("a path")
        .to_string_lossy()
        .into_owned();
    assert_eq!(
        (service.name.as_str(), service.version.as_str(), service.source.as_str()),
        ("greeter", "latest", "source://greeter:latest")
    );
    assert_eq!(service.metadata.get("source"), Some(&path));
    assert_eq!(
        (options.env, options.args, options.namespace.as_str()),
        (
            vec!["A=1".into(), "B=2".into()],
            vec!["-v".into(), "now".into()],
            NAMESPACE
        )
    );
}

#[test]
fn a_git_address_goes_to_the_server_as_it_is() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let (out, err, exit) = ada.run(&[
        "run",
        "http://127.0.0.1:3000/greeter.git@v1",
        "--name",
        "hi",
        "-o",
        "json",
    ]);
    let said: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (said, exit),
        (
            serde_json::json!({"name": "hi", "version": "v1", "status": "running"}),
            0
        ),
        "{err}"
    );
    let created = fake
        .state()
        .created
        .lock()
        .expect("not poisoned")
        .clone()
        .expect("created");
    let service = created.resource.unwrap_or_default().service.unwrap_or_default();
    assert_eq!(
        (service.source.as_str(), service.version.as_str()),
        ("http://127.0.0.1:3000/greeter.git@v1", "v1")
    );
    assert!(fake.state().uploaded.lock().expect("not poisoned").is_empty());
}

#[test]
fn a_failing_build_fails_in_the_compilers_words() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    folder(&ada, "broken");
    let (out, err, exit) = ada.run(&["run", "broken"]);
    assert!(out.is_empty() && err.contains("   Compiling it\n"), "{err}");
    assert!(
        err.ends_with(
            "Error building service: could not compile `broken`\n`micro logs broken` has all that was said.\n"
        ) && exit == 1,
        "{err}"
    );
    folder(&ada, "echoing");
    let (_, err, exit) = ada.run(&["run", "echoing"]);
    assert!(
        err.ends_with("Building\n   Compiling it\nStarting\n`micro logs echoing` has all that was said.\n")
            && exit == 1,
        "said once: {err}"
    );
    assert_eq!(ada.run(&["run", "broken", "--detach"]).2, 0, "nobody waited");
    let (_, err, exit) = ada.run(&["run", "./nothing"]);
    assert_eq!((err.as_str(), exit), ("There is no folder ./nothing\n", 1));
}

fn running(name: &str, version: &str, source: &str) -> Service {
    let metadata = [
        ("source", source),
        ("owner", "ada"),
        ("group", NAMESPACE),
        ("started", "just now"),
    ];
    Service {
        name: name.into(),
        version: version.into(),
        source: "source://x".into(),
        metadata: metadata
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into_iter()
            .collect(),
        status: 4,
    }
}

#[test]
fn status_is_a_table() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    assert_eq!(ada.run(&["status"]), (String::new(), String::new(), 0));
    *fake.state().services.lock().expect("not poisoned") = vec![
        running("helloworld", "latest", "github.com/micro/services/helloworld"),
        running("a", "v1", "x"),
    ];
    let table = "NAME\t\tVERSION\tSOURCE\t\t\t\t\tSTATUS\tBUILD\tUPDATED\t\tMETADATA\n\
        a\t\tv1\tx\t\t\t\t\trunning\tn/a\tjust now\towner=ada, group=amber-otter-drift\n\
        helloworld\tlatest\tgithub.com/micro/services/helloworld\trunning\tn/a\tjust now\towner=ada, group=amber-otter-drift\n";
    assert_eq!(ada.run(&["status"]), (table.into(), String::new(), 0));
    let json: serde_json::Value = serde_json::from_str(&ada.run(&["status", "a", "-o", "json"]).0).expect("JSON");
    assert_eq!(
        (&json[0]["name"], &json[0]["status"], json.as_array().map(Vec::len)),
        (&"a".into(), &"running".into(), Some(1))
    );
}

#[test]
fn kill_takes_names_versions_folders_and_addresses() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    folder(&ada, "greeter");
    let path = ada
        .path("greeter")
        .canonicalize()
        .expect("a path")
        .to_string_lossy()
        .into_owned();
    let names = || {
        fake.state()
            .services
            .lock()
            .expect("not poisoned")
            .iter()
            .map(|s| s.name.clone())
            .collect::<Vec<_>>()
    };
    *fake.state().services.lock().expect("not poisoned") = vec![
        running("one", "latest", "x"),
        running("two", "v2", "x"),
        running("only", "main", "x"),
        running("many", "v1", "x"),
        running("many", "v2", "x"),
        running("three", "latest", &path),
        running("four", "main", "http://127.0.0.1:3000/greeter.git"),
    ];
    ada.silent(&["kill", "one"]);
    let absent = "not found\n`micro status` lists what runs.\n";
    assert_eq!(ada.run(&["kill", "two@v3"]), (String::new(), absent.into(), 127));
    ada.silent(&["kill", "two@v2"]);
    ada.silent(&["kill", "only"]);
    let several = "Several versions of many are there: say which, many@v1 or many@v2\n";
    assert_eq!(ada.run(&["kill", "many"]), (String::new(), several.into(), 1));
    ada.silent(&["kill", "many@v1"]);
    ada.silent(&["kill", "many@v2"]);
    ada.silent(&["kill", "./greeter"]);
    assert_eq!(names(), ["four"]);
    ada.silent(&["kill", "http://127.0.0.1:3000/greeter.git"]);
    assert!(names().is_empty());
}

#[test]
fn update_takes_a_folder_or_a_running_name() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    folder(&ada, "greeter");
    *fake.state().services.lock().expect("not poisoned") = vec![
        running("four", "main", "http://127.0.0.1:3000/greeter.git"),
        running("gone", "latest", "/nowhere/at/all"),
    ];
    assert_eq!(ada.run(&["update", "greeter"]).2, 0);
    assert_eq!(ada.run(&["update", "four"]).2, 0);
    assert_eq!(
        fake.asked("update"),
        [
            "update greeter latest source://greeter:latest",
            "update four main http://127.0.0.1:3000/greeter.git@main"
        ]
    );
    let (_, err, exit) = ada.run(&["update", "gone"]);
    assert_eq!(
        (err.as_str(), exit),
        (
            "The source of gone is /nowhere/at/all, which is not on this machine: pass its folder\n",
            1
        )
    );
}

#[test]
fn logs_are_lines_or_json() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    assert_eq!(
        ada.run(&["logs", "greeter"]),
        ("line 1\nline 2\n".into(), String::new(), 0)
    );
    assert_eq!(ada.run(&["logs", "-f", "-n", "3", "--version", "v1", "greeter"]).2, 0);
    assert_eq!(
        ada.run(&["logs", "-o", "json", "greeter"]).0.lines().next(),
        Some(r#"{"Message":"line 1","Metadata":{}}"#)
    );
    assert_eq!(
        fake.asked("logs")[..2],
        [
            "logs greeter stream=false count=15 version=",
            "logs greeter stream=true count=3 version=v1"
        ]
    );
    let (_, err, exit) = ada.run(&["logs", "--since", "soon", "greeter"]);
    assert_eq!((err.as_str(), exit), ("\"soon\" is no span of time: try 10m\n", 1));
}

//! `micro env`, and what needs no server.

use crate::{fake::Fake, terminal::Terminal};

#[test]
fn the_list_marks_the_current_one() {
    let ada = Terminal::new();
    let list = |mark: [char; 3]| {
        format!(
            "{} dev        proxy.m3o.dev     Cloud hosted development environment\n\
             {} local      127.0.0.1:8081    Local running Micro Server\n\
             {} platform   proxy.m3o.com     Cloud hosted Micro Platform\n",
            mark[0], mark[1], mark[2]
        )
    };
    assert_eq!(ada.run(&["env"]), (list([' ', '*', ' ']), String::new(), 0));
    ada.silent(&["env", "set", "platform"]);
    assert_eq!(ada.run(&["env"]), (list([' ', ' ', '*']), String::new(), 0));
    assert_eq!(ada.run(&["env", "get"]).0, "platform\n");
    assert_eq!(ada.run(&["-e", "local", "env", "get"]).0, "local\n");
    ada.silent(&["env", "set", "server"]);
    assert_eq!(ada.run(&["env", "get"]).0, "local\n");
}

#[test]
fn environments_come_and_go() {
    let ada = Terminal::new();
    ada.silent(&["env", "add", "home", "127.0.0.1:9000"]);
    ada.silent(&["env", "add", "bare"]);
    let (listed, ..) = ada.run(&["env"]);
    assert!(listed.contains("  home       127.0.0.1:9000    \n"), "{listed}");
    assert!(listed.contains("  bare       none              \n"), "{listed}");
    ada.silent(&["env", "del", "bare"]);
    let unknown = |words: &[&str]| ada.run(words);
    let refused = (String::new(), "Environment 'bare' does not exist\n".to_owned(), 128);
    assert_eq!(unknown(&["env", "del", "bare"]), refused);
    assert_eq!(unknown(&["env", "set", "bare"]), refused);
    let missing = "Env \"bare\" not found. See `micro env` for available environments.\n";
    assert_eq!(unknown(&["-e", "bare", "services"]), (String::new(), missing.into(), 1));
    let json: serde_json::Value = serde_json::from_str(&ada.run(&["env", "-o", "json"]).0).expect("JSON");
    assert_eq!(
        json[1],
        serde_json::json!({"name": "home", "address": "127.0.0.1:9000", "description": "", "current": false})
    );
}

#[test]
fn what_micro_does_not_know_it_says() {
    let ada = Terminal::new();
    let refused =
        |args: &[&str], words: &str| assert_eq!(ada.run(args), (String::new(), format!("{words}\n"), 1), "{args:?}");
    refused(&[], "No command provided to micro. Please refer to 'micro --help'");
    refused(
        &["env", "nope"],
        "Unrecognized subcommand for micro env: nope. Please refer to 'micro env --help'",
    );
    refused(
        &["user", "nope"],
        "Unrecognized subcommand for micro user: nope. Please refer to 'micro user --help'",
    );
    refused(
        &["gen", "proto"],
        "There is no `micro gen`. Services describe themselves: there is nothing to generate. `micro new NAME` begins one.",
    );
}

#[test]
fn help_and_version_are_data() {
    let ada = Terminal::new();
    let (out, err, exit) = ada.run(&["--version"]);
    assert_eq!(
        (out.as_str(), err.as_str(), exit),
        (concat!("micro version v", env!("CARGO_PKG_VERSION"), "\n"), "", 0)
    );
    for args in [
        &["--help"][..],
        &["login", "help"],
        &["login", "--help"],
        &["run", "--help"],
        &["help", "status"],
    ] {
        let (out, err, exit) = ada.run(args);
        assert!(
            out.contains("Usage: micro") && err.is_empty() && exit == 0,
            "{args:?} {out} {err}"
        );
    }
}

#[test]
fn a_program_on_the_path_is_a_command() {
    use std::os::unix::fs::PermissionsExt;
    let ada = Terminal::new();
    let program = ada.path("micro-shout");
    std::fs::write(&program, "#!/bin/sh\necho \"shouting $*\"; exit 7\n").expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
    let output = ada
        .command(&["shout", "a", "b"])
        .env("PATH", ada.path(""))
        .output()
        .expect("ran");
    assert_eq!(
        crate::terminal::ended(output),
        ("shouting a b\n".into(), String::new(), 7)
    );
}

#[test]
fn the_variable_chooses_an_environment() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let output = ada
        .command(&["env", "get"])
        .env("MICRO_ENV", "platform")
        .output()
        .expect("ran");
    assert_eq!(crate::terminal::ended(output).0, "platform\n");
}

//! Errors: their words on stderr, their codes.

use crate::{
    fake::Fake,
    terminal::{NOWHERE, Terminal},
};

#[test]
fn nobody_is_told_to_log_in() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let words = format!(
        "Not logged in to env 'home' hosted at '{}'.\nPlease see `micro login help`\n",
        fake.address()
    );
    for args in [
        &["run", "github.com/micro/examples/helloworld"][..],
        &["status"],
        &["services"],
        &["logs", "x"],
        &["kill", "x"],
        &["user"],
        &["greeter", "hello"],
    ] {
        assert_eq!(ada.run(args), (String::new(), words.clone(), 2), "{args:?}");
    }
    let other = ada.run(&["-e", "platform", "status"]);
    assert_eq!(
        other.1,
        "Not logged in to env 'platform' hosted at 'proxy.m3o.com'.\nPlease see `micro login help`\n"
    );
}

#[test]
fn a_server_that_is_down_is_named() {
    let ada = Terminal::new();
    ada.silent(&["env", "add", "down", NOWHERE]);
    ada.silent(&["env", "set", "down"]);
    let words = format!(
        "Failed to connect to micro server at {NOWHERE}\nStart one with `micro server`, or use another with `micro env set NAME`.\n"
    );
    for args in [
        &["call", "greeter", "Greeter.Hello"][..],
        &["login", "--username", "a", "--password", "b"],
        &["signup", "--email", "a@example.com"],
        &["greeter", "hello"],
    ] {
        assert_eq!(ada.run(args), (String::new(), words.clone(), 4), "{args:?}");
    }
}

#[test]
fn each_refusal_has_its_code() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let refused = |args: &[&str], words: &str, exit| {
        assert_eq!(ada.run(args), (String::new(), format!("{words}\n"), exit), "{args:?}")
    };
    refused(
        &["call", "greeter", "Greeter.Nope", "{}"],
        "Service method \"Greeter.Nope\" not found",
        5,
    );
    refused(&["call", "my-svc", "Foo.Bar", "{}"], "Service \"my-svc\" not found", 4);
    refused(&["call", "greeter", "Greeter.Slow", "{}"], "Request timed out", 1);
    refused(
        &["call", "greeter", "Greeter.Pay", "{}"],
        "Payment is required. See https://example.com/pay",
        127,
    );
    refused(
        &["call", "greeter", "Nope", "{}"],
        "Method name \"Nope\" invalid format. Expecting service.endpoint",
        3,
    );
    refused(
        &["call", "--request_timeout", "soon", "greeter", "Greeter.Hello"],
        "Invalid format for request_timeout duration. Try 500ms or 5s",
        2,
    );
    refused(&["kill", "nothing"], "not found\n`micro status` lists what runs.", 127);
    refused(
        &["logs", "nothing"],
        "Service not found\n`micro status` lists what runs.",
        1,
    );
    let (out, err, exit) = ada.run(&["call", "greeter", "Greeter.Hello", "{nope}"]);
    assert!(
        out.is_empty() && err.starts_with("Error creating request ") && exit == 1,
        "{err}"
    );
}

#[test]
fn a_reader_that_leaves_ends_the_command_quietly() {
    let ada = Terminal::new();
    let mut child = ada.command(&["env"]).spawn().expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert!(output.stderr.is_empty(), "{output:?}");
}

//! Calling services: by name, by endpoint, by words and flags.

use crate::{
    fake::{Fake, NAMESPACE},
    terminal::Terminal,
};

#[test]
fn services_are_listed_by_name() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    assert_eq!(
        ada.run(&["services"]),
        ("auth\ngreeter\nstore\n".into(), String::new(), 0)
    );
    assert_eq!(fake.asked("list"), [format!("list {NAMESPACE}")]);
    assert_eq!(
        ada.run(&["services", "-o", "json"]).0,
        "[\n  \"auth\",\n  \"greeter\",\n  \"store\"\n]\n"
    );
}

#[test]
fn a_call_prints_the_answer_indented() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let answer =
        |sent: &str| format!("{{\n\t\"msg\": \"Hello\",\n\t\"sent\": {sent},\n\t\"ns\": \"{NAMESPACE}\"\n}}\n");
    let called = ada.run(&["call", "greeter", "Greeter.Hello", r#"{"name":"Ada","n":1.50}"#]);
    assert_eq!(
        called,
        (
            answer("{\n\t\t\"name\": \"Ada\",\n\t\t\"n\": 1.50\n\t}"),
            String::new(),
            0
        )
    );
    assert_eq!(ada.run(&["call", "greeter", "Greeter.Hello"]).0, answer("{}"));
    let raw = ada.run(&["call", "-o", "raw", "greeter", "Greeter.Hello", "{}"]);
    assert_eq!(
        raw.0,
        format!("{{\"msg\":\"Hello\",\"sent\":{{}},\"ns\":\"{NAMESPACE}\"}}\n")
    );
    let streamed = ada.run(&["stream", "greeter", "Greeter.Stream", "{}"]);
    assert_eq!(
        streamed,
        ("{\n\t\"n\": 1\n}\n{\n\t\"n\": 2\n}\n".into(), String::new(), 0)
    );
}

#[test]
fn words_and_flags_make_a_call() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let (out, err, exit) = ada.run(&[
        "greeter",
        "hello",
        "--name",
        "Ada",
        "--options_loud",
        "--options_max_words=3",
    ]);
    let sent =
        "{\n\t\t\"name\": \"Ada\",\n\t\t\"options\": {\n\t\t\t\"loud\": true,\n\t\t\t\"max_words\": 3\n\t\t}\n\t}";
    assert_eq!(
        (out, err.as_str(), exit),
        (
            format!("{{\n\t\"msg\": \"Hello\",\n\t\"sent\": {sent},\n\t\"ns\": \"{NAMESPACE}\"\n}}\n"),
            "",
            0
        )
    );
    assert_eq!(
        ada.run(&["greeter", "stream"]).0,
        "{\n\t\"n\": 1\n}\n{\n\t\"n\": 2\n}\n"
    );
}

#[test]
fn help_of_a_service_is_micros_to_the_byte() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let service = "NAME:\n\tmicro greeter\n\nVERSION:\n\tlatest\n\nUSAGE:\n\tmicro greeter [command]\n\nCOMMANDS:\n\thello\n\tpay\n\tstream\n";
    assert_eq!(ada.run(&["greeter", "--help"]), (String::new(), service.into(), 0));
    let endpoint = "NAME:\n\tmicro greeter hello\n\nUSAGE:\n\tmicro greeter hello [flags]\n\nFLAGS:\n\
                    \t--name string\n\t--options_loud bool\n\t--options_max_words int64\n";
    assert_eq!(
        ada.run(&["greeter", "hello", "--help"]),
        (String::new(), endpoint.into(), 0)
    );
}

#[test]
fn what_a_service_does_not_have_is_named() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let refused = |args: &[&str], words: &str, exit| {
        assert_eq!(ada.run(args), (String::new(), format!("{words}\n"), exit), "{args:?}")
    };
    refused(
        &["greeter", "nope"],
        "Endpoint Greeter.Nope not found for service greeter\n`micro greeter --help` lists what there is.",
        128,
    );
    refused(
        &["greeter", "hello", "--nope=1"],
        "Unknown flag: nope\n`micro greeter hello --help` lists its flags.",
        128,
    );
    refused(
        &["greeter", "a", "b", "c"],
        "Incorrect number of arguments\n`micro greeter --help` lists what there is.",
        128,
    );
    refused(&["stats", "nothing"], "Service not found", 1);
    refused(
        &["nosuchcommand"],
        "Unrecognized micro command: nosuchcommand. Please refer to 'micro --help'",
        1,
    );
}

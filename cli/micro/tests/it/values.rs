//! `micro store` and `micro config`: what a namespace keeps.

use std::io::{BufRead, BufReader};

use crate::{
    fake::Fake,
    terminal::{Terminal, assert_all},
};

/// The recorded commands of a real Micro, and what it printed; but failures are talk, so they go to stderr.
#[test]
fn the_store_prints_what_micros_does() {
    let fake = Fake::start();
    let json = "[\n  {\n    \"key\": \"k1\",\n    \"value\": \"djE=\",\n    \"metadata\": {}\n  },\n  {\n    \"key\": \"k2\",\n    \"value\": \"djI=\",\n    \"metadata\": {}\n  }\n]\n";
    let verbose = "KEY   VALUE   EXPIRY\nk1    v1      None\nk2    v2      None\n";
    assert_all(
        &Terminal::logged_in(&fake),
        &[
            (&["store", "write", "k1", "v1"], "", "", 0),
            (&["store", "read", "k1"], "v1\n", "", 0),
            (&["store", "read", "missing"], "", "Not found\n", 1),
            (&["store", "write", "k2", "v2"], "", "", 0),
            (&["store", "list"], "k1\nk2\n", "", 0),
            (&["store", "read", "--prefix", "k"], "v1\nv2\n", "", 0),
            (&["store", "read", "--prefix", "--verbose", "k"], verbose, "", 0),
            (&["store", "read", "--prefix", "--output", "json", "k"], json, "", 0),
            (
                &["store", "read", "--prefix", "--output", "table", "k"],
                "v1\nv2\n",
                "",
                0,
            ),
            (&["store", "delete", "k1"], "", "", 0),
            (&["store", "read", "k1"], "", "Not found\n", 1),
            (&["store", "write", "--table", "t2", "k", "two", "words"], "", "", 0),
            (&["store", "read", "--table", "t2", "k"], "two words\n", "", 0),
            (&["store", "databases"], "amber-otter-drift\n", "", 0),
            (&["store", "tables"], "micro\nt2\n", "", 0),
        ],
    );
}

#[test]
fn part_of_the_store_can_be_asked_for() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    for key in ["a1", "a2", "a3", "b1"] {
        ada.silent(&["store", "write", key, key]);
    }
    assert_all(
        &ada,
        &[
            (
                &["store", "read", "-p", "--limit", "1", "--offset", "1", "a"],
                "a2\n",
                "",
                0,
            ),
            (
                &["store", "read", "--suffix", "--order", "desc", "1"],
                "b1\na1\n",
                "",
                0,
            ),
            (
                &["store", "list", "-p", "a", "-l", "2", "--order", "desc"],
                "a3\na2\n",
                "",
                0,
            ),
            (&["store", "list", "--suffix", "1"], "a1\nb1\n", "", 0),
            (&["store", "list", "-p", "z"], "", "", 0),
            (&["store", "list", "-p", "z", "--output", "json"], "[]\n", "", 0),
            (&["store", "list", "-d", "amber-otter-drift", "-p", "b"], "b1\n", "", 0),
        ],
    );
}

#[test]
fn the_store_says_what_is_missing() {
    let fake = Fake::start();
    let denied = |id: &str| {
        format!(
            "{{\"Id\":\"store.Store.{id}\",\"Code\":403,\"Detail\":\"Access denied to namespace\",\"Status\":\"Forbidden\"}}\n"
        )
    };
    assert_all(
        &Terminal::logged_in(&fake),
        &[
            (&["store", "read"], "", "Key arg is required\n", 1),
            (&["store", "write", "k"], "", "Key and Value args are required\n", 1),
            (&["store", "delete"], "", "Key is required\n", 1),
            (
                &["store", "write", "--expiry", "soon", "k", "v"],
                "",
                "Expiry flag is invalid: \"soon\" is no span of time. Try 90s or 1h30m\n",
                1,
            ),
            (
                &["store", "read", "-d", "eves-ns", "k"],
                "",
                &format!("Couldn't read k from store: {}", denied("Read")),
                1,
            ),
            (
                &["store", "write", "-d", "eves-ns", "k", "v"],
                "",
                &format!("Couldn't write: {}", denied("Write")),
                1,
            ),
            (
                &["store", "delete", "-d", "eves-ns", "k"],
                "",
                &format!("Couldn't delete key k: {}", denied("Delete")),
                1,
            ),
            (
                &["store", "nope"],
                "",
                "Unrecognized subcommand for micro store: nope. Please refer to 'micro store --help'\n",
                1,
            ),
        ],
    );
    let (_, err, exit) = Terminal::at(&fake).run(&["store", "read", "k"]);
    assert!(err.starts_with("Not logged in to env 'home'") && exit == 2, "{err}");
}

#[test]
fn config_prints_what_micros_does() {
    let fake = Fake::start();
    assert_all(
        &Terminal::logged_in(&fake),
        &[
            (&["config", "get", "a"], "", "Not found\n", 127),
            (&["config", "set", "a", "1"], "", "", 0),
            (&["config", "get", "a"], "1\n", "", 0),
            (&["config", "set", "x.y", "hello"], "", "", 0),
            (&["config", "get", "x"], "{\"y\":\"hello\"}\n", "", 0),
            (&["config", "get", "x.y"], "hello\n", "", 0),
            (&["config", "get", "x.y", "--output", "json"], "\"hello\"\n", "", 0),
            (&["config", "set", "x.z", "{\"n\":1,\"b\":true,\"l\":[1,2]}"], "", "", 0),
            (
                &["config", "get", "x"],
                "{\"y\":\"hello\",\"z\":{\"b\":true,\"l\":[1,2],\"n\":1}}\n",
                "",
                0,
            ),
            (&["config", "get", "x.z.l"], "[1,2]\n", "", 0),
            (&["config", "get", "x.z.l.1"], "2\n", "", 0),
            (&["config", "del", "x.y"], "", "", 0),
            (&["config", "get", "x.y"], "", "Not found\n", 1),
            (
                &["config", "set", "onlykey"],
                "",
                "A value is required; an empty text is \"\"\n",
                1,
            ),
            (&["config", "set", "onlykey", ""], "", "", 0),
            (&["config", "get", "onlykey"], "\n", "", 0),
            (&["config", "set", "below", "-5"], "", "", 0),
            (&["config", "get", "below"], "-5\n", "", 0),
            (&["config", "get"], "", "Key cannot be blank\n", 1),
            (&["config", "set", ""], "", "Key cannot be blank\n", 1),
            (&["config", "del"], "", "Key cannot be blank\n", 1),
        ],
    );
}

#[test]
fn a_secret_is_shown_to_who_asks_for_it_and_may_be_typed() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    assert_all(
        &ada,
        &[
            (
                &["config", "set", "--secret", "app.key", "Very secret stuff"],
                "",
                "",
                0,
            ),
            (&["config", "get", "app.key"], "[secret]\n", "", 0),
            (&["config", "get", "-s", "app.key"], "Very secret stuff\n", "", 0),
        ],
    );
    let typed = ada.run_with(&["config", "set", "-s", "app.key"], "hunter2\n");
    assert_eq!((typed.0.as_str(), typed.2), ("", 0), "{}", typed.1);
    assert!(!typed.1.contains("hunter2"));
    assert_all(
        &ada,
        &[(&["config", "get", "-s", "app"], "{\"key\":\"hunter2\"}\n", "", 0)],
    );
    let (_, err, exit) = ada.run(&["config", "set", "-s", "app.key"]);
    assert!(err.contains("no more input: pass VALUE") && exit == 1, "{err}");
}

#[test]
fn a_watched_value_is_printed_whenever_it_changes() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    ada.silent(&["config", "set", "a.b", "1"]);
    let mut watch = ada.command(&["config", "watch", "a"]).spawn().expect("started");
    let mut lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("it goes on").expect("text");
    assert_eq!(next(), r#"{"b":1}"#);
    ada.silent(&["config", "set", "a.c", "hello"]);
    assert_eq!(next(), r#"{"b":1,"c":"hello"}"#);
    ada.silent(&["config", "set", "a", "hello"]);
    assert_eq!(next(), "hello");
    watch.kill().expect("killed");
    watch.wait().expect("gone");
}

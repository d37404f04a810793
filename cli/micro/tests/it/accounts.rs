//! `micro auth`: accounts and rules of a namespace.

use serde_json::{Value, json};

use crate::{
    fake::{Fake, NAMESPACE},
    terminal::{Terminal, assert_all},
};

fn as_json(ada: &Terminal, args: &[&str]) -> Value {
    let (out, err, exit) = ada.run(&[args, &["--output", "json"]].concat());
    assert_eq!((err.as_str(), exit), ("", 0), "{args:?}");
    serde_json::from_str(&out).expect("JSON")
}

/// The recorded commands of a real Micro, and what it printed; but a type is said, scopes are parted at commas,
/// and failures are talk.
#[test]
fn accounts_are_made_listed_and_deleted_as_micro_says_it() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let bob = format!(
        "Account created: {{\"id\":\"bob\",\"type\":\"user\",\"issuer\":\"{NAMESPACE}\",\"metadata\":null,\"scopes\":[\"a\",\"b\"],\"secret\":\"pw\",\"name\":\"bob\"}}\n"
    );
    let refused = |what: &str, id: &str, detail: &str| {
        format!("{what}: {{\"Id\":\"{id}\",\"Code\":400,\"Detail\":\"{detail}\",\"Status\":\"Bad Request\"}}\n")
    };
    assert_all(
        &ada,
        &[
            (
                &["auth", "list", "accounts"],
                "ID\t\tName\t\tScopes\t\tMetadata\n",
                "",
                0,
            ),
            (
                &["auth", "create", "account", "--secret", "pw", "--scopes", "a,b", "bob"],
                &bob,
                "",
                0,
            ),
            (
                &["auth", "list", "accounts"],
                "ID\t\tName\t\tScopes\t\tMetadata\nbob\t\tbob\t\ta, b\t\tn/a\n",
                "",
                0,
            ),
            (
                &["auth", "create", "account", "bob"],
                "",
                &refused("Error creating account", "auth", "Account with this ID already exists"),
                1,
            ),
            (&["auth", "create", "account"], "", "Missing argument: ID\n", 1),
            (&["auth", "delete", "account", "bob"], "", "", 0),
            (
                &["auth", "delete", "account", "bob"],
                "",
                &refused(
                    "Error deleting account",
                    "auth.Accounts.Delete",
                    "Account not found with this ID",
                ),
                1,
            ),
            (
                &["auth", "delete", "account", "ada-id"],
                "",
                &refused(
                    "Error deleting account",
                    "auth.Accounts.Delete",
                    "Can't delete your own account",
                ),
                1,
            ),
            (&["auth", "delete", "account"], "", "Missing argument: ID\n", 1),
        ],
    );
}

#[test]
fn a_new_account_is_given_a_secret() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let made = as_json(&ada, &["auth", "create", "account", "jane"]);
    let secret = made["secret"].as_str().expect("text");
    assert!(secret.len() >= 32, "{} bytes", secret.len());
    assert_eq!((&made["type"], &made["scopes"]), (&json!("user"), &Value::Null));
    assert_eq!(
        as_json(&ada, &["auth", "list", "accounts"]),
        json!([{ "id": "jane", "name": "jane", "type": "user", "scopes": [], "metadata": {} }])
    );
}

/// As recorded too, up to the default rule, which is open to the namespace only.
#[test]
fn rules_are_made_listed_and_deleted_as_micro_says_it() {
    let fake = Fake::start();
    let greeter = ["--resource", "service:helloworld:*", "r1"];
    let greeter = [&["auth", "create", "rule", "--scope", "*"][..], &greeter].concat();
    let denied = ["--priority", "2", "--resource", "service:*:*", "r2"];
    let denied = [&["auth", "create", "rule", "--access", "denied"][..], &denied].concat();
    assert_all(
        &Terminal::logged_in(&fake),
        &[
            (&greeter, "Rule created\n", "", 0),
            (&denied, "Rule created\n", "", 0),
            (&greeter, "", "Error: A rule with this ID already exists\n", 1),
            (
                &["auth", "list", "rules"],
                "ID\t\tScope\t\t\tAccess\t\tResource\t\t\tPriority\n\
                 r1\t\t*\t\t\tGRANTED\t\tservice:helloworld:*\t\t0\n\
                 r2\t\t<public>\t\tDENIED\t\tservice:*:*\t\t\t2\n\
                 default\t\t*\t\t\tGRANTED\t\t*:*:*\t\t\t\t0\n",
                "",
                0,
            ),
            (&["auth", "delete", "rule", "r2"], "Rule deleted\n", "", 0),
            (&["auth", "delete", "rule", "r2"], "", "Error: Rule not found\n", 1),
        ],
    );
}

#[test]
fn a_rule_is_read_before_it_is_sent() {
    let fake = Fake::start();
    let create = |rest: &[&'static str]| [&["auth", "create", "rule"], rest].concat();
    assert_all(
        &Terminal::logged_in(&fake),
        &[
            (
                &create(&["--resource", "bad", "r3"]),
                "",
                "Invalid resource, must be in the format type:name:endpoint\n",
                1,
            ),
            (
                &create(&["--access", "maybe", "--resource", "*:*:*", "r3"]),
                "",
                "Invalid access: maybe, must be granted or denied\n",
                1,
            ),
            (
                &create(&["--resource", "*:*:*", "r3", "r4"]),
                "",
                "Too many arguments, expected one argument: ID\n",
                1,
            ),
            (&create(&["--resource", "*:*:*"]), "", "Error: ID missing\n", 1),
            (&["auth", "delete", "rule"], "", "Expected one argument: ID\n", 1),
            (
                &["auth", "delete", "rule", "a", "b"],
                "",
                "Expected one argument: ID\n",
                1,
            ),
        ],
    );
}

#[test]
fn rules_are_shown_to_programs_in_the_words_of_the_flags() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let closed = [
        "--access",
        "denied",
        "--priority",
        "-1",
        "--resource",
        "service:greeter:Greeter.Hello",
    ];
    let create = [&["auth", "create", "rule"][..], &closed, &["closed"]].concat();
    let rule = json!({
        "id": "closed", "scope": "", "access": "denied", "resource": "service:greeter:Greeter.Hello", "priority": -1,
    });
    assert_eq!(as_json(&ada, &create), rule);
    assert_eq!(as_json(&ada, &["auth", "list", "rules"])[0], rule);
    ada.silent(&["auth", "delete", "rule", "closed", "--output", "json"]);
}

#[test]
fn another_namespace_is_named_and_refused() {
    let fake = Fake::start();
    let denied = |what: &str, id: &str| {
        format!(
            "{what}: {{\"Id\":\"{id}\",\"Code\":403,\"Detail\":\"Access denied to namespace\",\"Status\":\"Forbidden\"}}\n"
        )
    };
    assert_all(
        &Terminal::logged_in(&fake),
        &[
            (
                &["auth", "list", "accounts", "--namespace", "eves-ns"],
                "",
                &denied("Error listing accounts", "auth.Accounts.List"),
                1,
            ),
            (
                &["auth", "list", "rules", "--namespace", "eves-ns"],
                "",
                &denied("Error listing rules", "auth.Rules.List"),
                1,
            ),
            (
                &["auth", "create", "account", "--namespace", "eves-ns", "jane"],
                "",
                &denied("Error creating account", "auth.Auth.Generate"),
                1,
            ),
            (
                &["auth", "delete", "rule", "--namespace", "eves-ns", "default"],
                "",
                "Error: Access denied to namespace\n",
                1,
            ),
        ],
    );
}

#[test]
fn login_and_logout_are_here_too() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let login = ["auth", "login", "--username", "ada@example.com", "--password", "secret"];
    assert_eq!(ada.run(&login), ("Successfully logged in.\n".into(), String::new(), 0));
    assert_eq!(ada.run(&["user"]).0, "ada@example.com\n");
    ada.silent(&["auth", "logout"]);
    assert_eq!(fake.asked("end ").len(), 1);
    let (_, err, exit) = ada.run(&["auth", "list", "accounts"]);
    assert!(err.starts_with("Not logged in to env 'home'") && exit == 2, "{err}");
}

#[test]
fn words_that_are_missing_are_helped_with_and_others_refused() {
    let ada = Terminal::new();
    for (args, shown) in [
        (&["auth"][..], "micro auth"),
        (&["auth", "list"], "accounts"),
        (&["auth", "create"], "Create a rule"),
        (&["auth", "delete"], "Delete an account"),
    ] {
        let (out, err, exit) = ada.run(args);
        assert!(
            out.contains(shown) && err.is_empty() && exit == 0,
            "{args:?}: {out}{err}"
        );
    }
    let refused = |command: &str| {
        format!("Unrecognized subcommand for micro {command}: nope. Please refer to 'micro {command} --help'\n")
    };
    assert_all(
        &ada,
        &[
            (&["auth", "nope"], "", &refused("auth"), 1),
            (&["auth", "list", "nope"], "", &refused("auth list"), 1),
            (&["auth", "create", "nope"], "", &refused("auth create"), 1),
        ],
    );
}

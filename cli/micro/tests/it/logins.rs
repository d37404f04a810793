//! Logging in and out, and staying so.

use std::os::unix::fs::PermissionsExt;

use crate::{
    fake::{Fake, NAMESPACE},
    terminal::{NOWHERE, Terminal},
};

#[test]
fn a_login_is_remembered_in_private_files() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    assert_eq!(
        fake.asked("token"),
        ["token id=ada@example.com refresh= ns="],
        "an address needs no namespace"
    );
    for (file, mode) in [
        (".micro", 0o700),
        (".micro/config.json", 0o600),
        (".micro/tokens", 0o600),
    ] {
        let metadata = std::fs::metadata(ada.path(file)).expect("is there");
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
    }
    assert!(
        ada.read(".micro/tokens")
            .starts_with(&format!("micro://{}/{NAMESPACE}/ada-id:", fake.address()))
    );
    assert_eq!(ada.run(&["user"]).0, "ada@example.com\n");
    assert_eq!(ada.run(&["user", "namespace"]).0, format!("{NAMESPACE}\n"));
    assert_eq!(ada.run(&["user", "token"]).0, "access-1\n");
    let config = format!(
        "user: ada@example.com\nnamespace: {NAMESPACE}\nenvironment: home\ngit.credentials: n/a\ngit.baseurl: n/a\n"
    );
    assert_eq!(ada.run(&["user", "config"]), (config, String::new(), 0));
}

#[test]
fn lines_answer_the_prompts() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let done = ada.run_with(&["login"], "ada@example.com\nsecret\n");
    let asked = "Enter username: Enter password: \n";
    assert_eq!(done, ("Successfully logged in.\n".into(), asked.into(), 0));
}

#[test]
fn where_lines_run_out_the_flag_is_named() {
    let fake = Fake::start();
    let ada = Terminal::at(&fake);
    let (out, err, exit) = ada.run_with(&["login"], "ada@example.com\n");
    assert_eq!(
        (out.as_str(), err.as_str(), exit),
        (
            "",
            "Enter username: Enter password: \nno more input: pass --password\n",
            1
        )
    );
    let (_, err, exit) = ada.run(&["login"]);
    assert_eq!(
        (err.as_str(), exit),
        ("Enter username: \nno more input: pass --username\n", 1)
    );
}

#[test]
fn a_wrong_password_leaves_the_old_login_alone() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let wrong = ada.run(&["login", "--username", "ada@example.com", "--password", "wrong"]);
    assert_eq!(wrong, (String::new(), "Secret not correct\n".into(), 1));
    let nobody = ada.run(&["login", "--username", "nobody", "--password", "x"]);
    assert_eq!(nobody, (String::new(), "Account not found with this ID\n".into(), 1));
    assert_eq!(ada.run(&["services"]).2, 0);
}

#[test]
fn logout_ends_the_session_on_the_server() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    ada.silent(&["logout"]);
    assert_eq!(fake.asked("end"), ["end access-1"]);
    assert_eq!(ada.read(".micro/tokens"), "");
    assert_eq!(ada.run(&["status"]).2, 2);
    ada.silent(&["logout"]);
    assert_eq!(ada.run(&["user", "token"]), ("\n".into(), String::new(), 0));
}

#[test]
fn logout_without_a_server_says_so_and_forgets() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    for file in [".micro/config.json", ".micro/tokens"] {
        let moved = ada.read(file).replace(&fake.address(), NOWHERE);
        std::fs::write(ada.path(file), moved).expect("written");
    }
    let words = format!(
        "Logged out here, but the session on the server could not be ended: Failed to connect to micro server at {NOWHERE}\n"
    );
    assert_eq!(ada.run(&["logout"]), (String::new(), words, 4));
    assert_eq!(ada.read(".micro/tokens"), "");
}

#[test]
fn a_token_about_to_run_out_is_renewed_once_by_two_terminals() {
    let fake = Fake::start();
    fake.expire_at(1);
    let ada = Terminal::logged_in(&fake);
    fake.expire_at(i64::MAX);
    let both = [ada.command(&["services"]).spawn(), ada.command(&["services"]).spawn()];
    for child in both {
        let output = child.expect("started").wait_with_output().expect("ended");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(
        fake.asked("token id= "),
        [format!("token id= refresh=refresh-1 ns={NAMESPACE}")]
    );
    assert_eq!(ada.run(&["user", "token"]).0, "access-2\n");
}

#[test]
fn a_token_that_cannot_be_renewed_asks_to_log_in() {
    let fake = Fake::start();
    fake.expire_at(1);
    let ada = Terminal::logged_in(&fake);
    fake.revoke_all();
    let words = format!(
        "Not logged in to env 'home' hosted at '{}'.\nPlease see `micro login help`\n",
        fake.address()
    );
    assert_eq!(ada.run(&["services"]), (String::new(), words, 2));
}

#[test]
fn the_namespace_is_that_of_the_environment_that_is_named() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    ada.silent(&["env", "add", "other", NOWHERE]);
    let namespace = |args: &[&str]| ada.run(args).0;
    ada.silent(&["-e", "other", "user", "namespace", "set", "there"]);
    assert_eq!(namespace(&["user", "namespace"]), format!("{NAMESPACE}\n"));
    assert_eq!(namespace(&["-e", "other", "user", "namespace"]), "there\n");
    assert_eq!(namespace(&["user", "namespace", "-e", "other"]), "there\n");
    ada.silent(&["env", "set", "other"]);
    ada.silent(&["user", "namespace", "set", "here", "-e", "home"]);
    assert_eq!(namespace(&["user", "namespace"]), "there\n");
    assert_eq!(namespace(&["-e", "home", "user", "namespace"]), "here\n");
}

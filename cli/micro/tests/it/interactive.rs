//! `micro cli`: commands without the word `micro`, one after another.

use crate::{fake::Fake, terminal::Terminal};

#[test]
fn commands_follow_each_other_and_nothing_ends_them_but_exit() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let lines = "env get\n\nuser\nnope\ncall greeter Greeter.Nope '{}'\nmicro env get\nstore write 'a\nexit\nuser\n";
    let (out, err, exit) = ada.run_with(&["cli"], lines);
    assert_eq!((out.as_str(), exit), ("home\nada@example.com\nhome\n", 0), "{err}");
    let said: Vec<_> = err.lines().collect();
    assert_eq!(
        said,
        [
            "Unrecognized micro command: nope. Please refer to 'micro --help'",
            "Service method \"Greeter.Nope\" not found",
            "A quote is not closed.",
        ]
    );
}

#[test]
fn what_it_was_told_about_printing_holds_for_each_command() {
    let ada = Terminal::new();
    let (out, err, exit) = ada.run_with(&["--output", "json", "cli"], "env list\n");
    assert!(out.starts_with('[') && err.is_empty() && exit == 0, "{out} {err}");
}

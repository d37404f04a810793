//! `micro new`: a service to begin with.

use std::fs;

use crate::terminal::Terminal;

#[test]
fn a_new_service_is_drawn_and_told_how_to_run() {
    let ada = Terminal::new();
    let said = "Creating service my-svc\n\n.\n├── Cargo.toml\n├── src\n│   └── main.rs\n├── README.md\n└── .gitignore\n\n\n\
                run it, see it run, and call it:\n\nmicro run my-svc\nmicro status\nmicro my-svc call --name Ada\n";
    assert_eq!(ada.run(&["new", "my-svc"]), (said.into(), String::new(), 0));
    let main = ada.read("my-svc/src/main.rs");
    assert!(
        main.contains("Service::new(\"my-svc\").handle(\"MySvc.Call\", call)"),
        "{main}"
    );
    assert!(ada.read("my-svc/Cargo.toml").contains("name = \"my-svc\""));
    assert_eq!(ada.read("my-svc/.gitignore"), "/target\n");
    assert!(ada.read("my-svc/README.md").contains("micro run my-svc"));
}

#[test]
fn what_cannot_be_made_is_said_and_nothing_is_left() {
    let ada = Terminal::new();
    ada.run(&["new", "taken"]);
    fs::write(ada.path("taken/src/main.rs"), "mine").expect("written");
    let refused = |args: &[&str]| {
        let (out, err, code) = ada.run(args);
        assert_eq!((out.as_str(), code), ("", 1), "{args:?}");
        err
    };
    assert_eq!(refused(&["new"]), "Specify service name\n");
    assert_eq!(refused(&["new", "taken"]), "taken already exists\n");
    assert_eq!(ada.read("taken/src/main.rs"), "mine");
    assert!(refused(&["new", "../out"]).starts_with("\"../out\" is not a name for a service: "));
    assert_eq!(
        refused(&["new", "other", "--lang", "cobol"]),
        "Services in \"cobol\" cannot be made yet; there is: rust\n"
    );
    assert!(!ada.path("other").exists());
}

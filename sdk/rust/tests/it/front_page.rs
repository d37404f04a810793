//! The front page's service, as it stands there, in a process of its own.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::{core::Core, core::text, running::ask};

mod greeter {
    include!("greeter.rs");

    pub fn begin() {
        main().expect("it ran and was told to stop");
    }
}

/// Not a test: what the other one starts.
#[test]
#[ignore = "runs until it is stopped"]
fn the_service_itself() {
    greeter::begin();
}

#[tokio::test]
async fn the_front_page_says_what_works() {
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(include_str!("greeter.rs")),
        "greeter.rs is the front page's code, verbatim"
    );
    let core = Core::start().await;
    let mut service = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "front_page::the_service_itself", "--ignored"])
        .env("MICRO_PROXY", core.address.to_string())
        .env("MICRO_NAMESPACE", "amber")
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    let registered = core
        .until("a registration", |s| s.registered.get("greeter").cloned())
        .await;
    let address = text(&registered.0["nodes"][0]["address"]).parse().expect("an address");
    let greeting = ask(address, "/greeter.Greeter/Hello", &json!({ "name": "Ada" })).await;
    assert_eq!(greeting.json(), [json!({ "msg": "Hello Ada" })]);
    let stop = Command::new("kill").args(["-TERM", &service.id().to_string()]).status();
    assert!(stop.is_ok_and(|s| s.success()));
    core.until("its leaving", |s| {
        s.deregistered.contains(&"greeter".to_owned()).then_some(())
    })
    .await;
    assert!(service.wait().expect("ended").success());
}

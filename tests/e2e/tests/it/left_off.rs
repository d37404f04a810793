//! A server that is killed: whoever was in the middle of something goes on where it stopped.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use micro_e2e::{home::Home, local::Local, process::eventually};
use serde_json::Value;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(60);

fn json(home: &Home, args: &[&str]) -> Result<Value> {
    let output = home.run(&[args, &["--output", "json"][..]].concat())?.ok()?;
    Ok(serde_json::from_str(&output.stdout)?)
}

/// Of the one group: the number of the event that is next for it.
fn next_of_group(home: &Home) -> Result<u64> {
    let groups = json(home, &["events", "groups", "orders"])?;
    Ok(groups[0]["next"].as_u64().unwrap_or_default())
}

#[test]
fn consumers_and_groups_hear_everything_once() -> Result<()> {
    let mut local = Local::start(&[])?;
    let home = local.admin()?;
    let publish = |payload: &str| home.run(&["events", "publish", "orders", payload])?.ok();
    publish("first")?;
    let mut alone = home.start(&["events", "tail", "orders", "--oldest"])?;
    let mut member = home.start(&["events", "tail", "orders", "--group", "billing", "--oldest"])?;
    alone.expect("first")?;
    member.expect("first")?;
    eventually("the group's place is written down", SOON, || {
        Ok((next_of_group(&home)? == 1).then_some(()))
    })?;
    for round in ["second", "third"] {
        local.server().kill()?;
        local.boot()?;
        publish(round)?;
        alone.expect(round)?;
        member.expect(round)?;
        eventually("the group's place is written down", SOON, || {
            Ok((next_of_group(&home)? == if round == "second" { 2 } else { 3 }).then_some(()))
        })?;
    }
    for heard in [alone.seen(), member.seen()] {
        let lines: Vec<_> = heard.lines().collect();
        ensure!(lines == ["first", "second", "third"], "{heard}");
    }
    Ok(())
}

#[test]
fn what_is_printed_is_done_for_the_group_and_nothing_else() -> Result<()> {
    let local = Local::start(&[])?;
    let home = local.admin()?;
    let payloads: Vec<String> = (0..5).map(|n| format!("event-{n}")).collect();
    for payload in &payloads {
        home.run(&["events", "publish", "orders", payload])?.ok()?;
    }
    for (n, payload) in payloads.iter().enumerate() {
        let tail = ["events", "tail", "orders", "--group", "billing", "--oldest", "-n", "1"];
        let printed = home.run(&tail)?.ok()?.stdout;
        ensure!(printed.trim() == payload, "{printed}");
        ensure!(next_of_group(&home)? == n as u64 + 1);
    }
    Ok(())
}

#[test]
fn a_file_on_its_way_arrives() -> Result<()> {
    let mut local = Local::start(&[])?;
    let home = local.admin()?;
    let content: Vec<u8> = (0..48_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let (file, copy) = (home.path().join("big"), home.path().join("copy"));
    fs::write(&file, &content)?;
    let [file, out] = [&file, &copy].map(|path| path.display().to_string());
    let put = home.start(&["store", "blob", "put", &file])?;
    let some = eventually("some of it has arrived", SOON, || {
        let listed = json(&home, &["store", "blob", "list"])?;
        let received = listed["uploads"][0]["received"].as_u64().unwrap_or_default();
        let whole = listed["blobs"].as_array().is_some_and(|blobs| !blobs.is_empty());
        Ok((received > 0 || whole).then_some(received))
    })?;
    ensure!(some > 0, "it was faster than this test");
    local.server().kill()?;
    local.boot()?;
    let put = put.wait()?.ok()?;
    eprintln!("killed after {some} bytes; {}", put.stderr);
    home.run(&["store", "blob", "get", "big", &out])?.ok()?;
    ensure!(fs::read(&copy)? == content, "other bytes came back");
    let listed = json(&home, &["store", "blob", "list"])?;
    ensure!(listed["uploads"].as_array().is_some_and(Vec::is_empty), "{listed}");
    Ok(())
}

//! A person's own server: there at once, small, plain about who is in its way, gone when asked.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use micro_e2e::{
    home::Home,
    local::Local,
    process::{Process, eventually, signal},
};

/// What a release may take to serve; a debug build on a busy machine has five times that.
const START: Duration = Duration::from_millis(150);
const MEMORY: u64 = 60 << 20;

fn told(refused: &Output) -> String {
    String::from_utf8_lossy(&refused.stderr).into_owned()
}

#[test]
fn it_serves_at_once_and_is_small() -> Result<()> {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let local = Local::start(&[])?;
        ensure!(local.memory()? <= MEMORY, "{} bytes of memory", local.memory()?);
        eprintln!(
            "from nothing to serving: {:?}, {} kB",
            local.started_in(),
            local.memory()? >> 10
        );
        best = best.min(local.started_in());
    }
    ensure!(best <= START * 5, "serving after {best:?}");
    Ok(())
}

#[test]
fn a_second_server_is_told_who_has_the_folder_or_the_ports() -> Result<()> {
    let local = Local::start(&[])?;
    let pid = local.at.pid.to_string();

    let same_folder = told(&local.second(|_| {})?);
    for part in [
        "already",
        pid.as_str(),
        &local.at.proxy.to_string(),
        "micro server --data-dir",
    ] {
        ensure!(same_folder.contains(part), "{part:?} is not in {same_folder}");
    }

    let other = tempfile::tempdir()?;
    let refused = local.second(|c| {
        c.env("MICRO_DATA_DIR", other.path());
    })?;
    let same_ports = told(&refused);
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    for part in [
        "MICRO_PROXY_ADDRESS",
        "MICRO_API_ADDRESS",
        "--api-address",
        "the micro server of",
        &pid,
    ] {
        ensure!(same_ports.contains(part), "{part:?} is not in {same_ports}");
    }

    let stranger = TcpListener::bind("127.0.0.1:0")?;
    let port = stranger.local_addr()?.to_string();
    let taken = told(&local.second(|c| {
        c.env("MICRO_DATA_DIR", other.path())
            .env("MICRO_PROXY_ADDRESS", "127.0.0.1:0")
            .env("MICRO_API_ADDRESS", &port);
    })?);
    let us = format!("process {}", std::process::id());
    ensure!(
        taken.contains(&port) && taken.contains("MICRO_API_ADDRESS") && taken.contains(&us),
        "{taken}"
    );
    Ok(())
}

#[test]
fn it_stops_when_asked_either_way() -> Result<()> {
    for by in ["INT", "TERM"] {
        let mut local = Local::start(&[])?;
        let (took, status) = local.server().end(by)?;
        ensure!(
            status.code() == Some(0) && took < Duration::from_secs(5),
            "SIG{by}: {status} after {took:?}"
        );
        let left = local.server().data_dir().join("addresses.json");
        ensure!(!left.exists(), "it is still said to serve");
        local.boot()?;
    }
    Ok(())
}

fn call(home: &Home, service: &str) -> Result<Option<String>> {
    let answer = home.run(&[service, "call", "--name", "Ada"])?;
    Ok((answer.exit == 0).then_some(answer.stdout))
}

/// `micro new`, `micro run`, a call. The first service may compile what the SDK needs, once for this machine; the
/// second finds it, and has no network.
#[test]
fn a_new_service_runs_as_it_is_without_a_network_and_outlives_a_killed_server() -> Result<()> {
    let work = tempfile::tempdir()?;
    let folder = |name: &str| work.path().join(name).display().to_string();
    let mut local = Local::start(&[])?;
    let home = local.admin()?;
    home.run_in(work.path(), &["new", "first"])?.ok()?;
    home.run(&["run", &folder("first")])?.ok()?;
    local.server().end("TERM")?;

    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        local.set(proxy, "http://127.0.0.1:9");
    }
    local.boot()?;
    home.run_in(work.path(), &["new", "second"])?.ok()?;
    let began = std::time::Instant::now();
    let ran = home.run(&["run", &folder("second")])?.ok()?;
    eprintln!("a second service built and ran in {:?}", began.elapsed());
    ensure!(
        !ran.stderr.contains("Compiling tokio"),
        "it compiles what is compiled: {}",
        ran.stderr
    );
    let answer = call(&home, "second")?.context("an answer")?;
    ensure!(answer.contains("Hello Ada"), "{answer}");
    let started = home.run(&["status", "second", "--output", "json"])?.ok()?.stdout;

    local.server().kill()?;
    local.boot()?;
    eventually("the adopted service answers", Duration::from_secs(45), || {
        call(&home, "second")
    })?;
    eventually("the other one came back too", Duration::from_secs(45), || {
        call(&home, "first")
    })?;
    let again = home.run(&["status", "second", "--output", "json"])?.ok()?.stdout;
    ensure!(
        started_at(&started)? == started_at(&again)?,
        "started anew: {started}\n{again}"
    );
    Ok(())
}

/// As from `cargo run`: the program alone, with the server's door for services and an account.
#[test]
fn a_service_started_by_hand_is_called_like_the_others() -> Result<()> {
    let work = tempfile::tempdir()?;
    let mut local = Local::start(&[])?;
    let home = local.admin()?;
    home.run_in(work.path(), &["new", "byhand"])?.ok()?;
    home.run(&["run", &work.path().join("byhand").display().to_string()])?
        .ok()?;
    let program = work.path().join("program");
    std::fs::copy(built(&local.server().data_dir(), "byhand")?, &program)?;
    home.run(&["kill", "byhand"])?.ok()?;
    ensure!(call(&home, "byhand")?.is_none(), "it answers although it was killed");

    let door = local.at.network.context("a door for services")?.to_string();
    let mut command = Command::new(&program);
    command.env_clear().env("MICRO_PROXY", &door).stdout(Stdio::null());
    let told = command.output()?;
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    ensure!(
        !told.status.success() && words.contains("MICRO_AUTH_ID"),
        "without an account: {words}"
    );

    command.env("MICRO_AUTH_ID", "admin").env("MICRO_AUTH_SECRET", "micro");
    let mut by_hand = Process::start(&mut command)?;
    let answer = eventually("it answers", Duration::from_secs(30), || call(&home, "byhand"))?;
    ensure!(answer.contains("Hello Ada"), "{answer}");
    let listed = home.run(&["services"])?.ok()?.stdout;
    ensure!(listed.lines().any(|l| l == "byhand"), "{listed}");

    signal(by_hand.id(), "TERM")?;
    ensure!(
        by_hand.wait(Duration::from_secs(10))?.success(),
        "it does not end in peace"
    );
    let listed = home.run(&["services"])?.ok()?.stdout;
    ensure!(!listed.contains("byhand"), "it left without a word: {listed}");
    Ok(())
}

/// The program that the server built.
fn built(data: &Path, name: &str) -> Result<PathBuf> {
    let namespaces = std::fs::read_dir(data.join("runtime/namespaces"))?.flatten();
    let mut programs = namespaces.map(|n| {
        n.path()
            .join(format!("services/{name}@latest/cache/target/debug/{name}"))
    });
    programs.find(|p| p.exists()).context("no program was built")
}

fn started_at(status: &str) -> Result<String> {
    let status: serde_json::Value = serde_json::from_str(status)?;
    let at = status[0]["metadata"]["started"].as_str();
    Ok(at.with_context(|| status.to_string())?.to_owned())
}

//! What a person does with one service: run, call, read, change, end it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    platform::{Platform, Process, eventually},
    signup::Customer,
    walk::root,
};

/// Its source.
pub fn source() -> String {
    root().join("examples/greeter").display().to_string()
}

/// Runs it, and sees it among the services.
pub fn run(_: &mut Platform, ada: &Customer) -> Result<()> {
    ada.home.run(&["run", &source()])?.ok()?;
    let status = ada.home.run(&["status"])?.ok()?.stdout;
    ensure!(status.contains("greeter") && status.contains("running"), "{status}");
    let services = ada.home.run(&["services"])?.ok()?.stdout;
    ensure!(services.lines().any(|l| l == "greeter"), "{services}");
    Ok(())
}

/// Looks at what it is, where it is and how it is.
pub fn look_at(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let run = |args: &[&str]| -> Result<String> { Ok(ada.home.run(args)?.ok()?.stdout) };
    let shown = run(&["services", "greeter"])?;
    ensure!(
        shown.contains("\tGreeter.Hello\n") && shown.contains("\t\t\tname string\n"),
        "{shown}"
    );
    let routes: Value = serde_json::from_str(&run(&["network", "routes", "-o", "json"])?)?;
    ensure!(
        routes.as_array().is_some_and(|all| all.len() == 1)
            && routes[0]["service"] == "greeter"
            && routes[0]["network"] == *ada.namespace,
        "{routes}"
    );
    let core = run(&["network", "routes", "--network", "micro", "--service", "store"])?;
    let port = format!(":{} ", platform.at.proxy.port());
    ensure!(core.contains("| store ") && core.contains(&port), "{core}");
    let figures: Value = serde_json::from_str(&run(&["stats", "greeter", "-o", "json"])?)?;
    let memory = figures[0]["stats"]["memory"].as_str().context("a number")?;
    ensure!(memory.parse::<u64>()? > 100_000, "{figures}");
    ensure!(run(&["stats", "--all", "custom"])?.starts_with("SERVICE    greeter\n"));
    let peers = ada.home.run(&["network", "connect", "10.0.0.1:8443"])?;
    ensure!(peers.exit == 127 && peers.stderr.contains("no peers"), "{peers:?}");
    Ok(())
}

/// Calls it in every way there is.
pub fn call(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let call = ada
        .home
        .run(&["call", "greeter", "Greeter.Hello", r#"{"name":"Ada"}"#])?
        .ok()?;
    says(&call.stdout, "Hello Ada")?;
    says(
        &ada.home.run(&["greeter", "hello", "--name", "Ada"])?.ok()?.stdout,
        "Hello Ada",
    )?;
    let token = ada.home.run(&["user", "token"])?.ok()?.stdout.trim().to_owned();
    let http = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("http://{}/greeter/hello", platform.at.api);
    says(
        &http
            .get(format!("{url}?name=Ada"))
            .bearer_auth(&token)
            .send()?
            .error_for_status()?
            .text()?,
        "Hello Ada",
    )?;
    let posted = http
        .post(&url)
        .bearer_auth(&token)
        .json(&json!({ "name": "Ada" }))
        .send()?;
    says(&posted.error_for_status()?.text()?, "Hello Ada")?;
    ensure!(
        http.post(&url).json(&json!({ "name": "Ada" })).send()?.status() == 401,
        "open to the world"
    );
    let wrong = http.post(&url).bearer_auth(&token).json(&json!({})).send()?;
    ensure!(wrong.status() == 400, "{}", wrong.status());
    Ok(())
}

/// The answer says that.
pub fn says(json: &str, expected: &str) -> Result<()> {
    let value: Value = serde_json::from_str(json).with_context(|| json.to_owned())?;
    ensure!(value == json!({ "msg": expected }), "{value}");
    Ok(())
}

/// Reads its log, once and following.
pub fn read_logs(ada: &Customer) -> Result<()> {
    let logs = ada.home.run(&["logs", "-n", "100", "greeter"])?.ok()?.stdout;
    // The SDK says so once the service is there.
    ensure!(logs.contains("Registered"), "{logs}");
    let mut following = ada.home.start(&["logs", "-f", "-n", "100", "greeter"])?;
    following.expect("Registered")?;
    crate::platform::signal(following.pid(), "INT")?;
    let ended = following.wait()?;
    ensure!(ended.exit == 130, "{ended:?}");
    Ok(())
}

/// A copy of the greeter whose source was changed.
pub fn saying(word: &str, dir: &Path) -> Result<PathBuf> {
    let copy = dir.join("greeter");
    let copied = Command::new("cp").arg("-r").arg(source()).arg(&copy).status()?;
    ensure!(copied.success(), "cp: {copied}");
    let main = copy.join("src/main.rs");
    fs::write(
        &main,
        fs::read_to_string(&main)?.replace("Hello {}", &format!("{word} {{}}")),
    )?;
    Ok(copy)
}

/// Changes it while it serves.
pub fn update(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let changed = saying("Welcome", dir.path())?;
    let mut update = ada.home.start(&["update", &changed.display().to_string()])?;
    // Somebody calls all the while: nobody is turned away.
    let token = ada.home.run(&["user", "token"])?.ok()?.stdout.trim().to_owned();
    let http = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("http://{}/greeter/hello?name=Ada", platform.at.api);
    eventually("the update serves", Duration::from_secs(180), || {
        let response = http.get(&url).bearer_auth(&token).send()?;
        ensure!(
            response.status() == 200,
            "{} during the update; it said: {}",
            response.status(),
            update.seen()
        );
        let text = response.text()?;
        ensure!(text.contains("Hello Ada") || text.contains("Welcome Ada"), "{text}");
        Ok(text.contains("Welcome Ada").then_some(()))
    })?;
    update.expect("")?;
    update.finish()?.ok()?;
    Ok(())
}

/// Runs it from a branch, and from a commit under another name.
pub fn run_from_git(platform: &mut Platform, ada: &Customer) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let copy = saying("Hi", dir.path())?;
    let git = |args: &[&str]| -> Result<String> {
        let done = Command::new("git")
            .current_dir(&copy)
            .args([
                "-c",
                "user.name=e2e",
                "-c",
                "user.email=e2e@example.com",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(args)
            .output()?;
        ensure!(
            done.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    };
    git(&["init", "-q"])?;
    git(&["add", "."])?;
    git(&["commit", "-qm", "first"])?;
    let commit = git(&["rev-parse", "HEAD"])?;
    git(&["branch", "stable"])?;
    let bare = dir.path().join("greeter.git");
    git(&["clone", "-q", "--bare", ".", &bare.display().to_string()])?;
    let listen = git_address();
    let mut host = Command::new(platform.bin("git-double"));
    host.args(["--listen", &listen])
        .arg(dir.path())
        .stdout(std::process::Stdio::piped());
    let (_host, _ready) = Process::start_and_read_line(&mut host)?;
    for (at, name) in [("stable", "branched"), (commit.as_str(), "committed")] {
        ada.home
            .run(&["run", "--name", name, &format!("http://{listen}/greeter.git@{at}")])?
            .ok()?;
        says(
            &ada.home
                .run(&["call", name, "Greeter.Hello", r#"{"name":"Ada"}"#])?
                .ok()?
                .stdout,
            "Hi Ada",
        )?;
        ada.home.run(&["kill", name])?.ok()?;
    }
    Ok(())
}

/// Where the git host of the walk answers: builds may reach it, and no other private address.
pub fn git_address() -> String {
    use std::sync::OnceLock;
    static ADDRESS: OnceLock<String> = OnceLock::new();
    let free = || {
        std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a free port")
            .to_string()
    };
    ADDRESS.get_or_init(free).clone()
}

/// A source that does not build says why.
pub fn failing_build(ada: &Customer) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let copy = saying("Hello", dir.path())?;
    fs::write(
        copy.join("src/main.rs"),
        "fn main() { let answer: u32 = \"forty-two\"; }\n",
    )?;
    let failed = ada
        .home
        .run(&["run", "--name", "broken", &copy.display().to_string()])?;
    ensure!(
        failed.exit != 0 && failed.stderr.contains("mismatched types"),
        "{failed:?}"
    );
    let status = ada.home.run(&["status", "broken"])?.ok()?.stdout;
    ensure!(status.contains("error"), "{status}");
    ada.home.run(&["kill", "broken"])?.ok()?;
    Ok(())
}

/// Ends it.
pub fn kill(ada: &Customer) -> Result<()> {
    ada.home.run(&["kill", "greeter"])?.ok()?;
    ensure!(
        !ada.home.run(&["status"])?.ok()?.stdout.contains("greeter"),
        "still there"
    );
    let gone = ada.home.run(&["call", "greeter", "Greeter.Hello", "{}"])?;
    ensure!(
        gone.exit == 4 && gone.stderr.contains("Service \"greeter\" not found"),
        "{gone:?}"
    );
    Ok(())
}

//! A tenant's service that means harm, for the tests: it tries its neighbour, its host and the platform, and
//! reports what worked. Everything it reports as done is a hole.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use micro_sdk::{Context, Error, Service};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the attacker knows from outside.
#[derive(Deserialize)]
struct Targets {
    /// Files and folders that are not its own.
    #[serde(default)]
    paths: Vec<String>,
    /// Sockets on the host.
    #[serde(default)]
    sockets: Vec<String>,
    /// Addresses on the host and beyond.
    #[serde(default)]
    addresses: Vec<SocketAddr>,
    /// The victim's namespace and service.
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    service: String,
}

#[derive(Serialize)]
struct Report {
    /// Each attempt with how it ended; `done` is a hole.
    attempts: BTreeMap<String, String>,
    /// Names of the environment's variables.
    environment: Vec<String>,
    /// Processes it can see.
    processes: Vec<String>,
}

fn outcome<T, E: std::fmt::Display>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "done".into(),
        Err(e) => format!("refused: {e}"),
    }
}

fn look_at_files(targets: &Targets, attempts: &mut BTreeMap<String, String>) {
    for path in &targets.paths {
        attempts.insert(format!("list {path}"), outcome(fs::read_dir(path)));
        attempts.insert(format!("read {path}"), outcome(fs::read(path)));
        attempts.insert(
            format!("write {path}"),
            outcome(fs::write(format!("{path}/planted"), "x")),
        );
    }
    for path in [
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/1/root/etc",
        "/etc/shadow",
        "/proc/kcore",
        "/proc/sysrq-trigger",
    ] {
        attempts.insert(format!("read {path}"), outcome(fs::read(path)));
    }
    attempts.insert("write /usr".into(), outcome(fs::write("/usr/planted", "x")));
    attempts.insert(
        "write /proc/sys".into(),
        outcome(fs::write("/proc/sys/kernel/core_pattern", "|/x")),
    );
}

fn knock(targets: &Targets, attempts: &mut BTreeMap<String, String>) {
    for socket in &targets.sockets {
        attempts.insert(format!("connect {socket}"), outcome(UnixStream::connect(socket)));
    }
    let metadata: SocketAddr = ([169, 254, 169, 254], 80).into();
    for address in targets.addresses.iter().copied().chain([metadata]) {
        let knocked = TcpStream::connect_timeout(&address, Duration::from_millis(500));
        attempts.insert(format!("connect {address}"), outcome(knocked));
    }
}

/// The core, asked for what belongs to another namespace, in every field that names one.
async fn ask_for_others(context: &Context, targets: &Targets, attempts: &mut BTreeMap<String, String>) {
    let victim = &targets.namespace;
    let domain = json!({ "domain": victim });
    let namespace = json!({ "namespace": victim });
    let node = json!([{ "id": "greeter-planted", "address": "127.0.0.1:8080" }]);
    let questions: [(&str, &str, Value); 13] = [
        (
            "registry",
            "Registry.Register",
            json!({ "name": targets.service, "version": "latest", "nodes": node, "options": domain }),
        ),
        (
            "registry",
            "Registry.Deregister",
            json!({ "name": targets.service, "version": "latest", "nodes": node, "options": domain }),
        ),
        (
            "registry",
            "Registry.GetService",
            json!({ "service": targets.service, "options": domain }),
        ),
        ("registry", "Registry.ListServices", json!({ "options": domain })),
        (
            "registry",
            "Registry.ListServices",
            json!({ "options": { "domain": "*" } }),
        ),
        ("auth", "Accounts.List", json!({ "options": namespace })),
        (
            "auth",
            "Auth.Generate",
            json!({ "id": "planted", "options": namespace }),
        ),
        (
            "auth",
            "Rules.Create",
            json!({ "rule": { "id": "open", "scope": "", "access": "GRANTED", "resource": { "type": "*", "name": "*", "endpoint": "*" } }, "options": namespace }),
        ),
        ("runtime", "Runtime.Read", json!({ "options": namespace })),
        (
            "runtime",
            "Runtime.Delete",
            json!({ "resource": { "service": { "name": targets.service, "version": "latest" } }, "options": namespace }),
        ),
        ("billing", "Billing.Read", json!({})),
        ("namespaces", "Identities.Find", json!({ "email": "ada@example.com" })),
        ("operators", "Customers.List", json!({})),
    ];
    for (n, (service, endpoint, body)) in questions.into_iter().enumerate() {
        let answer: Result<Value, Error> = context.call(service, endpoint, &body).await;
        attempts.insert(format!("call {n} {service} {endpoint}"), outcome(answer));
    }
    let neighbour: Result<Value, Error> = context
        .call(&targets.service, "Greeter.Hello", &json!({ "name": "Eve" }))
        .await;
    attempts.insert(format!("call {}", targets.service), outcome(neighbour));
}

async fn attack(context: Context, targets: Targets) -> Result<Report, Error> {
    let mut attempts = BTreeMap::new();
    look_at_files(&targets, &mut attempts);
    knock(&targets, &mut attempts);
    ask_for_others(&context, &targets, &mut attempts).await;
    let is_pid = |name: &String| name.bytes().all(|b| b.is_ascii_digit());
    let seen = fs::read_dir("/proc").into_iter().flatten().flatten();
    Ok(Report {
        attempts,
        environment: std::env::vars().map(|(name, _)| name).collect(),
        processes: seen
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .filter(is_pid)
            .collect(),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Service::new("hostile").handle("Hostile.Attack", attack).run().await
}

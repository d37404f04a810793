//! A service's life: registered, known by its own name, there again after the server was away, and gone in peace.

use std::sync::Arc;

use micro_sdk::{Account, Context, Error, Service};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::{
    core::frame,
    running::{Running, ask},
};

#[derive(Deserialize, Serialize)]
struct Hello {
    name: String,
}

async fn hello(context: Context, hello: Hello) -> Result<Value, Error> {
    context.call("other", "Other.Method", &hello).await
}

fn greeter() -> Service {
    Service::new("greeter").handle("Greeter.Hello", hello)
}

fn account() -> Option<Account> {
    Some(Account {
        id: "greeter-1".into(),
        secret: "hush".into(),
    })
}

#[tokio::test]
async fn it_registers_with_its_types_and_leaves_when_told() {
    let running = Running::start(greeter()).await;
    let registered = running.core.know(|s| s.registered["greeter"].0.clone());
    assert_eq!(
        registered["endpoints"][0]["request"]["values"][0],
        json!({ "name": "name", "type": "string" })
    );
    assert_eq!(registered["options"], json!({ "ttl": "90", "domain": "amber" }));
    let (core, ended) = running.stop().await;
    assert_eq!(ended, Ok(()));
    assert_eq!(core.know(|s| s.deregistered.clone()), ["greeter"]);
}

#[tokio::test]
async fn it_registers_again_when_the_server_was_away() {
    let running = Running::start(greeter()).await;
    running.core.know(|s| s.registered.clear());
    running.core.hang_up();
    running
        .core
        .until("a second registration", |s| s.registered.get("greeter").map(drop))
        .await;
}

#[tokio::test]
async fn calls_carry_its_own_token_and_the_trace_of_the_request() {
    let running = Running::with_account(greeter(), account()).await;
    let headers = [("micro-trace-id", "story"), ("authorization", "Bearer callers")];
    let body = frame(&json!({ "name": "Ada" }));
    running
        .send("/Greeter/Hello", "application/grpc+json", body, &headers)
        .await;
    let headers = running
        .core
        .know(|s| s.calls.iter().find(|(p, _)| p == "/other.Other/Method").cloned());
    let headers = headers.expect("called").1;
    assert_eq!(headers["authorization"], "Bearer token-1");
    assert_eq!(headers["micro-trace-id"], "story");
    assert_eq!(headers["micro-namespace"], "amber");
    assert!(headers.contains_key("micro-span-id"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let running = Running::with_account(greeter(), account()).await;
    running.core.know(|s| s.revoked.push("token-1".into()));
    let answer = running.ask("/Greeter/Hello", &json!({ "name": "Ada" })).await.failed();
    assert_eq!(answer["Code"], 404, "it got through to a core without that service");
    assert_eq!(running.core.know(|s| s.tokens), 2);
    running.core.know(|s| s.revoked.push("token".into()));
    running
        .core
        .know(|s| s.revoked.extend((2..9).map(|n| format!("token-{n}"))));
    let refused = running.ask("/Greeter/Hello", &json!({ "name": "Ada" })).await.failed();
    assert_eq!((&refused["Code"], running.core.know(|s| s.tokens)), (&json!(401), 3));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_time_is_over() {
    let running = Running::with_account(greeter(), account()).await;
    running.core.know(|s| s.revoked.push("token-1".into()));
    running.core.know(|s| s.token_life = 30);
    let ask = async || drop(running.ask("/Greeter/Hello", &json!({ "name": "Ada" })).await);
    ask().await;
    assert_eq!(running.core.know(|s| s.tokens), 2, "the first was refused");
    running.core.know(|s| s.token_life = 600);
    ask().await;
    assert_eq!(
        running.core.know(|s| s.tokens),
        3,
        "the second has less than a minute left"
    );
    ask().await;
    assert_eq!(running.core.know(|s| s.tokens), 3, "the third is good for a while");
    let last = running
        .core
        .know(|s| s.calls.last().expect("called").1["authorization"].clone());
    assert_eq!(last, "Bearer token-3");
}

async fn titles(context: Context, _: Value) -> Result<Vec<String>, Error> {
    context.store().list("").await
}

#[tokio::test]
async fn a_stream_outlives_its_token_as_well() {
    let service = Service::new("notes").handle("Notes.Titles", titles);
    let running = Running::with_account(service, account()).await;
    running.core.know(|s| s.revoked.push("token-1".into()));
    running.ask("/Notes/Titles", &json!({})).await.json();
    assert_eq!(running.core.know(|s| s.tokens), 2);
}

#[tokio::test]
async fn it_leaves_first_and_then_ends_what_it_has_begun() {
    let (begun, mut has_begun) = mpsc::channel(1);
    let may_end = Arc::new(Notify::new());
    let wait = may_end.clone();
    let slow = move |_: Context, _: Value| {
        let (begun, wait) = (begun.clone(), wait.clone());
        async move {
            begun.send(()).await.ok();
            wait.notified().await;
            Ok("done")
        }
    };
    let running = Running::start(Service::new("slow").handle("Slow.Wait", slow)).await;
    let (address, core) = (running.address, running.core.clone());
    let asking = tokio::spawn(async move { ask(address, "/Slow/Wait", &json!({})).await });
    has_begun.recv().await.expect("asked");
    let stopping = tokio::spawn(running.stop());
    core.until("its leaving", |s| (!s.deregistered.is_empty()).then_some(()))
        .await;
    may_end.notify_one();
    assert_eq!(asking.await.expect("no panic").json(), [json!("done")]);
    assert_eq!(stopping.await.expect("no panic").1, Ok(()));
}

#[tokio::test]
async fn what_came_with_a_request_goes_along_to_services_and_not_to_the_core() {
    let forward = |context: Context, hello: Hello| async move {
        context.store().write("last", &hello).await?;
        context.call::<Value>("other", "Other.Method", &hello).await
    };
    let running = Running::with_account(Service::new("greeter").handle("Greeter.Hello", forward), account()).await;
    let headers = [
        ("locale", "en"),
        ("cookie", "callers"),
        ("micro-trace-id", "story"),
        ("timeout", "2000000000"),
    ];
    let body = frame(&json!({ "name": "Ada" }));
    let path = "/Greeter/Hello";
    running.send(path, "application/grpc+json", body, &headers).await;
    let called = |path: &str| {
        let found = running.core.know(|s| s.calls.iter().find(|(p, _)| p == path).cloned());
        found.expect("called").1
    };
    let (other, core) = (called("/other.Other/Method"), called("/store.Store/Write"));
    assert_eq!(other["locale"], "en");
    assert!(!other.contains_key("cookie") && !core.contains_key("locale"));
    assert_eq!(
        (&other["micro-trace-id"], &core["micro-trace-id"]),
        (&"story".parse().expect("valid"), &"story".parse().expect("valid"))
    );
    let left: u64 = other["timeout"].to_str().expect("text").parse().expect("a number");
    assert!(left > 0 && left <= 2_000_000_000, "{left}: what its caller waits yet");

    let spans = running.ask("/Debug/Trace", &json!({ "id": "story" })).await.json()[0]["spans"].clone();
    let spans = spans.as_array().expect("spans");
    let span = |name: &str| spans.iter().find(|s| s["name"] == name).expect("a span");
    let (made, answered) = (span("other.Other.Method"), span("Greeter.Hello"));
    assert_eq!(
        (&made["type"], &answered["type"]),
        (&json!("OUTBOUND"), &json!("INBOUND"))
    );
    assert_eq!(made["parent"], answered["id"]);
    assert_eq!(made["id"], other["micro-span-id"].to_str().expect("text"));
}

async fn loudly(context: Context, hello: Hello) -> Result<Value, Error> {
    let loud = context
        .with_metadata("Tone", "loud")
        .with_metadata("authorization", "mine");
    loud.call("other", "Other.Method", &hello).await
}

#[tokio::test]
async fn what_a_handler_says_beside_a_request_goes_along_but_nothing_that_is_ours_to_say() {
    let running = Running::with_account(Service::new("greeter").handle("Greeter.Hello", loudly), account()).await;
    running.ask("/greeter.Greeter/Hello", &json!({ "name": "Ada" })).await;
    let headers = running.core.know(|s| {
        let calls = s.calls.iter().rev();
        let call = calls.into_iter().find(|(path, _)| path.ends_with("/Method"));
        call.expect("called").1.clone()
    });
    assert_eq!(headers["tone"], "loud");
    assert!(!headers.contains_key("authorization") || headers["authorization"] != "mine");
}

#[tokio::test]
async fn who_starts_it_by_hand_is_told_what_is_missing() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = nobody.local_addr().expect("bound").to_string();
    drop(nobody);
    let settings = micro_sdk::Settings {
        proxy: proxy.clone(),
        namespace: "micro".into(),
        address: "127.0.0.1:0".into(),
        account: None,
    };
    let ended = greeter().run_until(settings, std::future::pending()).await;
    let told = format!("{:?}", ended.expect_err("nobody listens there"));
    assert!(told.contains(&proxy) && told.contains("micro server"), "{told}");
}

//! Consumers that a handler reads itself: they go on where they stopped when the server was away.

use std::sync::Arc;

use micro_sdk::{Context, Error, Service, Start};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    core::{Core, base64},
    running::{Running, ask},
};

#[derive(Deserialize)]
struct Follow {
    group: String,
    /// How many of them are acknowledged.
    acks: usize,
    events: usize,
}

/// The numbers of the events it got.
async fn follow(context: Context, follow: Follow) -> Result<Vec<u64>, Error> {
    let mut events = context.events().consume::<f64>("notes", &follow.group).await?;
    let mut numbers = vec![];
    while numbers.len() < follow.events {
        let Some(event) = events.next().await else { break };
        let event = event?;
        numbers.push(event.number);
        if numbers.len() <= follow.acks {
            event.ack().await?;
        } else {
            // Kept by nobody, acknowledged by nobody.
            drop(event);
        }
    }
    Ok(numbers)
}

fn event(number: u64) -> Value {
    json!({ "id": format!("e{number}"), "topic": "notes", "number": number.to_string(), "payload": base64("1.5") })
}

fn service() -> Service {
    Service::new("notes").handle("Notes.Follow", follow)
}

/// Hangs up once the core knows what is asked for, and gives the second request for events.
async fn lose(core: &Core, what: &str, look: impl Fn(&Value, usize) -> bool) -> Value {
    core.until(what, |s| {
        let last = s.consumed.last()?;
        look(last, s.acks.len()).then_some(())
    })
    .await;
    core.hang_up();
    core.until("a second request", |s| s.consumed.get(1).cloned()).await
}

#[tokio::test]
async fn a_group_goes_on_when_the_server_is_back() {
    let running = Running::start(service()).await;
    running.core.know(|s| s.events.push_back(event(7)));
    let address = running.address;
    let request = json!({ "group": "counters", "acks": 2, "events": 2 });
    let following = tokio::spawn(async move { ask(address, "/Notes/Follow", &request).await });
    let again = lose(&running.core, "the first ack", |_, acks| acks == 1).await;
    assert_eq!(again["group"], "counters");
    assert_eq!(again.get("number"), None, "the server knows where the group stands");
    running.core.know(|s| s.events.push_back(event(8)));
    assert_eq!(following.await.expect("no panic").json(), [json!([7, 8])]);
}

#[tokio::test]
async fn who_is_in_no_group_misses_nothing_meanwhile() {
    let running = Running::start(service()).await;
    let address = running.address;
    let request = json!({ "group": "", "acks": 2, "events": 2 });
    let following = tokio::spawn(async move { ask(address, "/Notes/Follow", &request).await });
    // The topic ended before event 7 when it began, and nothing came before the server was lost.
    let again = lose(&running.core, "a consumer", |request, _| request["number"] == "7").await;
    assert_eq!(again["number"], "7");
    running.core.know(|s| s.events.push_back(event(7)));
    running
        .core
        .until("the first ack", |s| (s.acks.len() == 1).then_some(()))
        .await;
    running.core.hang_up();
    let third = running
        .core
        .until("a third request", |s| s.consumed.get(2).cloned())
        .await;
    assert_eq!(third["number"], "8", "behind what it acknowledged");
    running.core.know(|s| s.events.push_back(event(8)));
    assert_eq!(following.await.expect("no panic").json(), [json!([7, 8])]);
}

#[tokio::test]
async fn an_event_that_nobody_acknowledged_comes_again() {
    let got = Arc::new(Notify::new());
    let tell = got.clone();
    let service = Service::new("notes").handle("Notes.Twice", move |context: Context, _: Value| {
        let tell = tell.clone();
        async move {
            let mut events = context.events().consume_from::<f64>("notes", "", Start::Oldest).await?;
            let first = events.next().await.expect("one").map(|e| e.number)?;
            tell.notify_one();
            Ok([first, events.next().await.expect("it again").map(|e| e.number)?])
        }
    });
    let running = Running::start(service).await;
    running.core.know(|s| s.events.push_back(event(7)));
    let address = running.address;
    let asking = tokio::spawn(async move { ask(address, "/Notes/Twice", &json!({})).await });
    got.notified().await;
    running.core.hang_up();
    let again = running
        .core
        .until("a second request", |s| s.consumed.get(1).cloned())
        .await;
    assert_eq!(again["number"], "7");
    assert_eq!(asking.await.expect("no panic").json(), [json!([7, 7])]);
}

#[tokio::test]
async fn what_the_server_will_not_give_is_not_asked_for_for_ever() {
    let service = Service::new("notes").handle("Notes.Refused", |context: Context, _: Value| async move {
        let mut events = context.events().consume::<f64>("notes", "g").await?;
        events.next().await.expect("one")?.ack().await?;
        let refused = events.next().await.and_then(Result::err).expect("refused");
        assert!(events.next().await.is_none());
        Ok(refused.code)
    });
    let running = Running::start(service).await;
    let address = running.address;
    let asking = tokio::spawn(async move { ask(address, "/Notes/Refused", &json!({})).await });
    running.core.know(|s| s.events.push_back(event(7)));
    running
        .core
        .until("the ack", |s| (s.acks.len() == 1).then_some(()))
        .await;
    running.core.know(|s| s.denied.push("/events.Stream/Consume"));
    running.core.hang_up();
    assert_eq!(asking.await.expect("no panic").json(), [json!(403)]);
}

//! What a handler keeps and tells through the core.

use std::time::Duration;

use micro_sdk::{Context, Error, Service, Start};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    core::{base64, text},
    running::Running,
};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Note {
    title: String,
}

#[derive(Deserialize)]
struct Nothing {}

async fn records(context: Context, _: Nothing) -> Result<(), Error> {
    let (store, milk) = (context.store(), Note { title: "milk".into() });
    assert_eq!(store.read::<Note>("a/1").await?, None);
    store.write("a/1", &milk).await?;
    store.write_for("a/2", &milk, Duration::from_secs(60)).await?;
    store.clone().table("other").write("a/3", &milk).await?;
    assert_eq!(store.read("a/1").await?, Some(milk.clone()));
    assert_eq!(
        store.read_prefix("a/").await?,
        [("a/1".to_owned(), milk.clone()), ("a/2".to_owned(), milk)]
    );
    assert_eq!(store.list("a/").await?, ["a/1", "a/2"]);
    store.delete("a/1").await?;
    assert_eq!(store.list("").await?, ["a/2"]);
    let misread = store.read::<u32>("a/2").await.expect_err("a note");
    assert!(misread.detail.contains("a/2"), "{misread}");
    Ok(())
}

async fn settings(context: Context, _: Nothing) -> Result<(), Error> {
    let config = context.config();
    assert_eq!(config.get::<u32>("notes.longest").await?, None);
    config.set("notes.longest", &7).await?;
    config.set_secret("notes.key", &"hush").await?;
    assert_eq!(config.get("notes.longest").await?, Some(7));
    let misread = config.get_secret::<u32>("notes.key").await.expect_err("a text");
    assert!(!misread.detail.contains("hush"), "{misread}");
    Ok(())
}

async fn tell(context: Context, _: Nothing) -> Result<(), Error> {
    context.events().publish("notes", &1.5).await?;
    context.broker().publish("seen", &1.5).await
}

async fn versions(context: Context, _: Nothing) -> Result<(), Error> {
    let store = context.store();
    assert_eq!(store.read_versioned::<u32>("visits").await?, None);
    let first = store.write_if("visits", &1, None).await?.expect("nothing was there");
    assert_eq!(store.write_if("visits", &7, None).await?, None, "something is there");
    let found = store.read_versioned::<u32>("visits").await?.expect("written");
    assert_eq!((found.value, found.version), (1, first));
    let second = store.write_if("visits", &2, Some(first)).await?.expect("as it was");
    assert_eq!(store.write_if("visits", &3, Some(first)).await?, None, "changed since");
    assert_ne!(first, second);
    Ok(())
}

async fn files(context: Context, _: Nothing) -> Result<(), Error> {
    let blobs = context.blobs();
    assert_eq!(blobs.get("photo").await?, None);
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    let blob = blobs.put("photo", &content).await?;
    assert_eq!((blob.key.as_str(), blob.bytes), ("photo", 1_000_000));
    assert!(
        blobs.get("photo").await? == Some(content),
        "in one piece, though both ways broke"
    );
    let mut upload = blobs.upload("words").await?;
    for word in ["one ", "two "] {
        upload.write(word.as_bytes()).await?;
    }
    upload.finish().await?;
    assert_eq!(blobs.get("words").await?, Some(b"one two ".to_vec()));
    let listed = blobs.list("").await?;
    assert_eq!(
        listed.iter().map(|b| b.key.as_str()).collect::<Vec<_>>(),
        ["photo", "words"]
    );
    blobs.delete("words").await?;
    assert_eq!(blobs.get("words").await?, None);
    Ok(())
}

async fn tell_once(context: Context, _: Nothing) -> Result<(), Error> {
    assert!(context.events().publish_once("notes", &1.5, "till-7", 3).await?);
    let start = Start::Time(std::time::UNIX_EPOCH + Duration::from_secs(7));
    drop(context.events().consume_from::<f64>("notes", "g", start).await?);
    Ok(())
}

#[tokio::test]
async fn a_record_is_changed_only_as_it_was_read() {
    let running = Running::start(Service::new("notes").handle("Notes.Versions", versions)).await;
    running.ask("/Notes/Versions", &json!({})).await.json();
}

#[tokio::test]
async fn files_go_on_where_they_broke_off() {
    let running = Running::start(Service::new("notes").handle("Notes.Files", files)).await;
    // The file goes up in four parts, after each of which it breaks; and once on its way back.
    running.core.know(|s| (s.breaks, s.away) = (5, 1));
    running.ask("/Notes/Files", &json!({})).await.json();
    assert_eq!(running.core.know(|s| (s.breaks, s.away)), (0, 0));
}

#[tokio::test]
async fn events_are_published_once_and_consumed_from_anywhere() {
    let running = Running::start(Service::new("notes").handle("Notes.Tell", tell_once)).await;
    running.ask("/Notes/Tell", &json!({})).await.json();
    let (_, published) = running.core.know(|s| s.published[0].clone());
    assert_eq!(
        (&published["producer"], &published["sequence"]),
        (&json!("till-7"), &json!("3"))
    );
}

#[tokio::test]
async fn records_are_those_of_the_service_in_its_namespace() {
    let running = Running::start(Service::new("notes").handle("Notes.Records", records)).await;
    running.ask("/Notes/Records", &json!({})).await.json();
    let places = running.core.know(|s| s.records.keys().cloned().collect::<Vec<_>>());
    assert_eq!(places, [("notes".into(), "a/2".into()), ("other".into(), "a/3".into())]);
    assert_eq!(
        running.core.know(|s| s.records[&places[0]]["expiry"].clone()),
        json!("60")
    );
}

#[tokio::test]
async fn configuration_is_typed() {
    let running = Running::start(Service::new("notes").handle("Notes.Settings", settings)).await;
    running.ask("/Notes/Settings", &json!({})).await.json();
    assert_eq!(running.core.know(|s| s.config["notes.key"].clone()), "\"hush\"");
}

#[tokio::test]
async fn events_and_messages_are_published() {
    let running = Running::start(Service::new("notes").handle("Notes.Tell", tell)).await;
    running.ask("/Notes/Tell", &json!({})).await.json();
    let published = running.core.know(|s| s.published.clone());
    assert_eq!(
        published[0],
        ("notes".into(), json!({ "topic": "notes", "payload": base64("1.5") }))
    );
    assert_eq!(
        published[1],
        (
            "seen".into(),
            json!({ "topic": "seen", "message": { "body": base64("1.5") } })
        )
    );
}

#[tokio::test]
async fn an_event_that_fails_is_refused_and_comes_again() {
    let tries = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let service = Service::new("notes").on_event("notes", move |_, number: f64| {
        let first = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move {
            match (first, number > 1.0) {
                (true, true) => Err(Error::internal("not yet")),
                (false, true) => Ok(()),
                _ => panic!("an event like that"),
            }
        }
    });
    let running = Running::start(service).await;
    running.core.know(|s| {
        s.events
            .push_back(json!({ "id": "e1", "topic": "notes", "payload": base64("1.5") }))
    });
    let acks = running
        .core
        .until("an ack", |s| (s.acks.len() == 2).then(|| s.acks.clone()))
        .await;
    assert_eq!(acks, [("e1".to_owned(), false), ("e1".to_owned(), true)]);
}

#[tokio::test]
async fn messages_reach_their_handler_with_a_way_to_answer() {
    let service = Service::new("notes").on_message("topic-1", |context: Context, topic: String| async move {
        context.store().write("heard", &topic).await
    });
    let running = Running::start(service).await;
    let heard = running
        .core
        .until("a record", |s| s.records.values().next().cloned())
        .await;
    assert_eq!(text(&heard["key"]), "heard");
}

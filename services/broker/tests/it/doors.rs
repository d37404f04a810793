//! Who may call, and what is refused.

use futures::{FutureExt, StreamExt};
use micro_broker::{BUFFERED_MESSAGES, MISSED};
use micro_domain::{Limit, Limits};
use micro_proto::broker::Message;
use micro_tenancy::Caller;

use crate::world::{World, next, owner, text, words};

#[tokio::test]
async fn both_calls_need_an_account() {
    let world = World::new();
    let nobody = Caller::anonymous();
    let refused = |method: &str| {
        (
            format!("broker.Broker.{method}"),
            401,
            "Access denied to namespace".to_owned(),
        )
    };
    assert_eq!(words(world.subscribe(&nobody, "t", "").await), refused("Subscribe"));
    assert_eq!(
        words(world.publish(&nobody, "t", Some(text("a"))).await),
        refused("Publish")
    );
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let refused = |detail: &str| ("broker.Broker.Publish".to_owned(), 400, detail.to_owned());
    assert_eq!(words(world.publish(&ada, "t", None).await), refused("Missing message"));
    assert_eq!(
        words(world.publish(&ada, "", Some(text("a"))).await),
        refused("Missing topic")
    );
    assert_eq!(words(world.publish(&ada, "a\0b", Some(text("a"))).await).1, 400);
    assert_eq!(words(world.subscribe(&ada, "t", &"q".repeat(257)).await).1, 400);
}

#[tokio::test]
async fn equal_names_of_two_namespaces_never_meet() {
    let world = World::new();
    let (ada, bob) = (owner("ada-ns"), owner("bobs-ns"));
    let mut own = world.subscribe(&ada, "orders", "").await.expect("own");
    let mut neighbours = world.subscribe(&bob, "orders", "").await.expect("own");
    world.publish(&ada, "orders", Some(text("ada's"))).await.expect("own");
    assert_eq!(next(&mut own).await, "ada's");
    assert!(
        neighbours.next().now_or_never().is_none(),
        "another namespace's message"
    );
    world.publish(&bob, "orders", Some(text("bob's"))).await.expect("own");
    assert_eq!(next(&mut neighbours).await, "bob's");
}

#[tokio::test]
async fn subscribers_learn_no_ones_token() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let call = [
        ("authorization", "Bearer secret"),
        ("cookie", "secret"),
        ("x-api-key", "secret"),
        ("micro-trace-id", "trace"),
    ];
    let caller = ada
        .clone()
        .with_metadata(call.map(|(name, value)| (name.into(), value.into())).into())
        .with_bearer("secret".into());
    let mut messages = world.subscribe(&ada, "t", "").await.expect("own");
    let copied = Message {
        header: [
            ("Authorization".into(), "Bearer secret".into()),
            ("Micro-Topic".into(), "t".into()),
        ]
        .into(),
        body: Vec::new(),
    };
    world.publish(&caller, "t", Some(copied)).await.expect("own");
    let message = messages.next().await.expect("it never ends").expect("no error");
    let header: Vec<_> = message
        .header
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(header, [("Micro-Topic", "t"), ("Micro-Trace-Id", "trace")]);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_and_slows_nobody() {
    let (world, ada) = (World::new(), owner("ada-ns"));
    let mut slow = world.subscribe(&ada, "t", "").await.expect("own");
    let mut quick = world.subscribe(&ada, "t", "").await.expect("own");
    for n in 0..BUFFERED_MESSAGES + 7 {
        world
            .publish(&ada, "t", Some(text(&n.to_string())))
            .await
            .expect("never waits");
        assert_eq!(next(&mut quick).await, n.to_string());
    }
    for n in 0..BUFFERED_MESSAGES {
        assert_eq!(next(&mut slow).await, n.to_string());
    }
    world.publish(&ada, "t", Some(text("after"))).await.expect("own");
    let message = slow.next().await.expect("it never ends").expect("no error");
    assert_eq!(message.header.get(MISSED).map(String::as_str), Some("7"));
}

#[tokio::test]
async fn limits_are_exact_and_named_and_seats_are_given_back() {
    let two = |name| Limit { name, max: 2 };
    let limits = Limits {
        subscribers: two("subscribers"),
        message_bytes: two("message.bytes"),
        topics: Limit { name: "topics", max: 1 },
        ..Limits::DEVELOPER
    };
    let (world, ada) = (World::with(limits), owner("ada-ns"));
    let first = world.subscribe(&ada, "t", "").await.expect("the first");
    assert_eq!(words(world.subscribe(&ada, "u", "").await).0, "limits.topics");
    let second = world.subscribe(&ada, "t", "").await.expect("the second");
    let (id, code, detail) = words(world.subscribe(&ada, "t", "").await);
    assert_eq!((id.as_str(), code), ("limits.subscribers", 429));
    assert_eq!(
        detail,
        "This namespace has reached its limit of 2 subscribers: 2 in use. `micro account usage` lists all limits"
    );
    let neighbour = world.subscribe(&owner("bobs-ns"), "t", "").await;
    assert!(neighbour.is_ok(), "each namespace has its own limit");
    drop((first, second));
    assert!(world.subscribe(&ada, "u", "").await.is_ok(), "seats are free again");

    world.publish(&ada, "t", Some(text("ab"))).await.expect("at the limit");
    let (id, code, _) = words(world.publish(&ada, "t", Some(text("abc"))).await);
    assert_eq!((id.as_str(), code), ("limits.message.bytes", 413));
}

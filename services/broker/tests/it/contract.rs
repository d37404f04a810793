//! What every exchange promises, through the broker's door.

use std::{collections::BTreeSet, sync::Arc};

use micro_broker::{Exchange, MemoryExchange, RedisExchange};
use micro_domain::Limits;
use micro_testkit::RedisServer;

use crate::world::{World, next, owner, text};

async fn keeps_the_contract(exchange: Arc<dyn Exchange>) {
    let world = World::on(exchange, Limits::DEVELOPER);
    everyone_without_a_queue_gets_each_message_in_order(&world).await;
    a_queue_shares(&world).await;
    who_left_gets_nothing_and_costs_nothing(&world).await;
    topics_and_namespaces_are_apart(&world).await;
    any_bytes_and_names_pass(&world).await;
}

async fn everyone_without_a_queue_gets_each_message_in_order(world: &World) {
    let ada = owner("ada-ns");
    let mut one = world.subscribe(&ada, "fan", "").await.expect("own");
    let mut two = world.subscribe(&ada, "fan", "").await.expect("own");
    for n in 0..50 {
        world
            .publish(&ada, "fan", Some(text(&n.to_string())))
            .await
            .expect("own");
    }
    for n in 0..50 {
        assert_eq!(next(&mut one).await, n.to_string());
        assert_eq!(next(&mut two).await, n.to_string());
    }
}

async fn a_queue_shares(world: &World) {
    let ada = owner("ada-ns");
    let mut workers = [
        world.subscribe(&ada, "work", "q").await.expect("own"),
        world.subscribe(&ada, "work", "q").await.expect("own"),
    ];
    let mut other_queue = world.subscribe(&ada, "work", "r").await.expect("own");
    let mut all = world.subscribe(&ada, "work", "").await.expect("own");
    let sent: BTreeSet<String> = (0..10).map(|n| n.to_string()).collect();
    for body in &sent {
        world.publish(&ada, "work", Some(text(body))).await.expect("own");
    }
    let mut done = BTreeSet::new();
    for worker in &mut workers {
        for _ in 0..5 {
            assert!(done.insert(next(worker).await), "one member gets each message");
        }
    }
    assert_eq!(done, sent);
    for body in &sent {
        assert_eq!(&next(&mut other_queue).await, body);
        assert_eq!(&next(&mut all).await, body);
    }
}

async fn who_left_gets_nothing_and_costs_nothing(world: &World) {
    let ada = owner("ada-ns");
    let leaves = world.subscribe(&ada, "leave", "q").await.expect("own");
    let mut stays = world.subscribe(&ada, "leave", "q").await.expect("own");
    drop(leaves);
    for body in ["a", "b", "c"] {
        world.publish(&ada, "leave", Some(text(body))).await.expect("own");
        assert_eq!(next(&mut stays).await, body);
    }
    drop(stays);
    world
        .publish(&ada, "leave", Some(text("lost")))
        .await
        .expect("nobody need listen");
    let mut again = world.subscribe(&ada, "leave", "q").await.expect("own");
    world.publish(&ada, "leave", Some(text("heard"))).await.expect("own");
    assert_eq!(next(&mut again).await, "heard", "what was published before is gone");
}

async fn topics_and_namespaces_are_apart(world: &World) {
    let (ada, bob) = (owner("ada-ns"), owner("bobs-ns"));
    let mut mine = world.subscribe(&ada, "same", "q").await.expect("own");
    let mut theirs = world.subscribe(&bob, "same", "q").await.expect("own");
    world.publish(&bob, "same", Some(text("bob's"))).await.expect("own");
    world
        .publish(&ada, "same.not", Some(text("another topic")))
        .await
        .expect("own");
    world.publish(&ada, "same", Some(text("ada's"))).await.expect("own");
    assert_eq!(next(&mut mine).await, "ada's");
    assert_eq!(next(&mut theirs).await, "bob's");
}

async fn any_bytes_and_names_pass(world: &World) {
    let ada = owner("ada-ns");
    let topic = "a:b*c?[d] é/..";
    let mut messages = world.subscribe(&ada, topic, "q:*").await.expect("own");
    let mut message = text("é\u{0}\r\n$5");
    message.header.insert("Content-Type".into(), "text/plain".into());
    world.publish(&ada, topic, Some(message)).await.expect("own");
    assert_eq!(next(&mut messages).await, "é\u{0}\r\n$5");
}

#[tokio::test]
async fn the_one_in_this_process_keeps_the_contract() {
    keeps_the_contract(Arc::new(MemoryExchange::default())).await;
}

#[tokio::test]
async fn the_one_in_redis_keeps_the_contract() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let exchange = RedisExchange::connect(&server.url()).await.expect("a running server");
    keeps_the_contract(Arc::new(exchange)).await;
}

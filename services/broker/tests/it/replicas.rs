//! Two replicas on one Redis are one broker.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use micro_broker::RedisExchange;
use micro_domain::Limits;
use micro_testkit::RedisServer;
use tokio::time::timeout;

use crate::{
    severed::Line,
    world::{SOON, World, next, owner, text, words},
};

async fn replica(server: &RedisServer) -> World {
    let exchange = RedisExchange::connect(&server.url()).await.expect("a running server");
    World::on(Arc::new(exchange), Limits::DEVELOPER)
}

#[tokio::test]
async fn subscribers_of_both_hear_publishers_of_either() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let (one, two, ada) = (replica(&server).await, replica(&server).await, owner("ada-ns"));
    let mut at_one = one.subscribe(&ada, "t", "").await.expect("own");
    let mut at_two = two.subscribe(&ada, "t", "").await.expect("own");
    for (publisher, body) in [(&one, "from one"), (&two, "from two")] {
        publisher.publish(&ada, "t", Some(text(body))).await.expect("own");
        assert_eq!(next(&mut at_one).await, body);
        assert_eq!(next(&mut at_two).await, body);
    }
}

#[tokio::test]
async fn a_queue_with_members_on_both_gets_each_message_once() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let (one, two, ada) = (replica(&server).await, replica(&server).await, owner("ada-ns"));
    let mut members = [
        one.subscribe(&ada, "t", "q").await.expect("own"),
        two.subscribe(&ada, "t", "q").await.expect("own"),
    ];
    // Once both have this, all that was published before has been handed out.
    let mut ends = [
        one.subscribe(&ada, "t", "").await.expect("own"),
        two.subscribe(&ada, "t", "").await.expect("own"),
    ];
    let sent: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for body in &sent {
        one.publish(&ada, "t", Some(text(body))).await.expect("own");
    }
    for end in &mut ends {
        while next(end).await != "99" {}
    }
    let mut done = BTreeSet::new();
    let all_done = async {
        while done.len() < sent.len() {
            let [first, second] = &mut members;
            let body = tokio::select! {
                body = next(first) => body,
                body = next(second) => body,
            };
            assert!(done.insert(body), "twice");
        }
    };
    timeout(SOON, all_done).await.expect("each arrives");
    for member in &mut members {
        assert!(member.next().now_or_never().is_none(), "one too many");
    }
}

#[tokio::test]
async fn subscriptions_outlive_a_restart_of_redis() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let (world, ada) = (replica(&server).await, owner("ada-ns"));
    let mut messages = world.subscribe(&ada, "t", "").await.expect("own");
    let server = server.restart().await;
    let heard = async {
        loop {
            let _it_may_still_be_away = world.publish(&ada, "t", Some(text("again"))).await;
            if timeout(Duration::from_millis(50), messages.next()).await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, heard).await.expect("heard again");
    drop(server);
}

#[tokio::test]
async fn subscriptions_outlive_a_connection_that_was_cut_without_a_word() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let line = Line::to(&server);
    let exchange = RedisExchange::connect(&line.url()).await.expect("a running server");
    let (here, elsewhere, ada) = (
        World::on(Arc::new(exchange), Limits::DEVELOPER),
        replica(&server).await,
        owner("ada-ns"),
    );
    let mut messages = here.subscribe(&ada, "t", "").await.expect("own");
    line.sever();
    // Silence, a question, and no answer to it.
    tokio::time::pause();
    for _ in 0..4 {
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    let heard = async {
        loop {
            elsewhere.publish(&ada, "t", Some(text("again"))).await.expect("own");
            if timeout(Duration::from_millis(50), messages.next()).await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, heard).await.expect("heard again");
}

#[tokio::test]
async fn while_redis_is_away_publishers_are_told_and_nobody_who_listens_is() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let (world, ada) = (replica(&server).await, owner("ada-ns"));
    let mut messages = world.subscribe(&ada, "t", "").await.expect("own");
    drop(server);
    let (id, code, detail) = words(world.publish(&ada, "t", Some(text("lost"))).await);
    assert_eq!((id.as_str(), code), ("broker.Broker.Publish", 503));
    assert_eq!(detail, "The broker cannot be reached. Please try again.");
    assert!(messages.next().now_or_never().is_none(), "its stream stays open");
}

//! Random histories of subscribers that come and go: each without a queue hears all of its time, in order; each queue
//! hears all of the time in which it has members, once. In this process, over Redis, and over two replicas.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{FutureExt, StreamExt};
use micro_broker::{MemoryExchange, RedisExchange};
use micro_domain::Limits;
use micro_proto::broker::Message;
use micro_rpc::Streaming;
use micro_testkit::RedisServer;
use proptest::{
    prelude::{Strategy, any, prop},
    prop_oneof,
    strategy::ValueTree,
    test_runner::TestRunner,
};

use crate::world::{World, next, owner, text};

const HISTORIES: usize = 15;
const TOPICS: [&str; 2] = ["t", "t.u"];
const QUEUES: [&str; 3] = ["", "q", "r"];

#[derive(Clone, Debug)]
enum Step {
    /// At a replica, to a topic, in a queue or none.
    Subscribe(usize, usize, usize),
    /// One of those who are there.
    Leave(usize),
    /// At a replica, to a topic.
    Publish(usize, usize),
}

fn histories() -> Vec<Vec<Step>> {
    let subscribe =
        (0..2_usize, 0..TOPICS.len(), 0..QUEUES.len()).prop_map(|(at, to, in_)| Step::Subscribe(at, to, in_));
    let publish = (0..2_usize, 0..TOPICS.len()).prop_map(|(at, to)| Step::Publish(at, to));
    let step = prop_oneof![3 => subscribe, 2 => any::<usize>().prop_map(Step::Leave), 10 => publish];
    let history = prop::collection::vec(step, 1..50);
    let mut runner = TestRunner::deterministic();
    let one = |_| history.new_tree(&mut runner).expect("a history").current();
    (0..HISTORIES).map(one).collect()
}

/// Somebody who listens, and what was published meanwhile.
struct Subscriber {
    messages: Streaming<Message>,
    topic: usize,
    queue: usize,
    expected: Vec<String>,
}

/// A history on its way.
struct Story<'w> {
    replicas: [&'w World; 2],
    /// One at each replica and topic, who hears everything: what it has heard, the others there have too.
    probes: Vec<(usize, Streaming<Message>)>,
    subscribers: Vec<Subscriber>,
    /// What each queue must have heard, and has.
    queues: BTreeMap<(usize, usize), (BTreeSet<String>, Vec<String>)>,
    published: usize,
    name: String,
}

impl<'w> Story<'w> {
    async fn begin(replicas: [&'w World; 2], name: String) -> Self {
        let mut story = Self {
            replicas,
            probes: Vec::new(),
            subscribers: Vec::new(),
            queues: BTreeMap::new(),
            published: 0,
            name,
        };
        for replica in replicas {
            for topic in 0..TOPICS.len() {
                let probe = replica
                    .subscribe(&owner("ada-ns"), &story.topic(topic), "")
                    .await
                    .expect("own");
                story.probes.push((topic, probe));
            }
        }
        story
    }

    fn topic(&self, topic: usize) -> String {
        format!("{}/{}", self.name, TOPICS[topic])
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Subscribe(at, topic, queue) => {
                // What is on its way may reach who comes just now, or not.
                self.settle().await;
                let name = self.topic(topic);
                let messages = self.replicas[at]
                    .subscribe(&owner("ada-ns"), &name, QUEUES[queue])
                    .await;
                self.subscribers.push(Subscriber {
                    messages: messages.expect("own"),
                    topic,
                    queue,
                    expected: Vec::new(),
                });
            }
            Step::Leave(which) if !self.subscribers.is_empty() => {
                self.settle().await;
                let which = which % self.subscribers.len();
                let subscriber = self.subscribers.swap_remove(which);
                self.collect(subscriber);
            }
            Step::Leave(_) => {}
            Step::Publish(at, topic) => self.publish(at, topic).await,
        }
    }

    async fn publish(&mut self, at: usize, topic: usize) {
        let body = self.published.to_string();
        self.published += 1;
        for subscriber in self.subscribers.iter_mut().filter(|s| s.topic == topic) {
            if QUEUES[subscriber.queue].is_empty() {
                subscriber.expected.push(body.clone());
            } else {
                self.queues
                    .entry((topic, subscriber.queue))
                    .or_default()
                    .0
                    .insert(body.clone());
            }
        }
        let name = self.topic(topic);
        let published = self.replicas[at]
            .publish(&owner("ada-ns"), &name, Some(text(&body)))
            .await;
        published.expect("own");
    }

    /// Waits until all that was published is where it belongs.
    async fn settle(&mut self) {
        for topic in 0..TOPICS.len() {
            self.publish(0, topic).await;
            let last = (self.published - 1).to_string();
            for (_, probe) in self.probes.iter_mut().filter(|(of, _)| *of == topic) {
                while next(probe).await != last {}
            }
        }
    }

    /// What one who leaves has heard.
    fn collect(&mut self, mut subscriber: Subscriber) {
        let mut heard = Vec::new();
        while let Some(Some(message)) = subscriber.messages.next().now_or_never() {
            heard.push(String::from_utf8(message.expect("no error").body).expect("text"));
        }
        if QUEUES[subscriber.queue].is_empty() {
            assert_eq!(heard, subscriber.expected, "all of its time, in order");
        } else {
            let of_queue = self.queues.entry((subscriber.topic, subscriber.queue)).or_default();
            of_queue.1.extend(heard);
        }
    }

    async fn end(mut self) {
        self.settle().await;
        while let Some(subscriber) = self.subscribers.pop() {
            self.collect(subscriber);
        }
        for (queue, (expected, heard)) in self.queues {
            let once: BTreeSet<_> = heard.iter().cloned().collect();
            assert_eq!(once.len(), heard.len(), "{queue:?} heard something twice");
            assert_eq!(once, expected, "{queue:?}");
        }
    }
}

async fn every_history_ends_as_it_must(replicas: [&World; 2]) {
    for (number, history) in histories().iter().enumerate() {
        println!("{number}: {history:?}");
        let mut story = Story::begin(replicas, number.to_string()).await;
        for step in history {
            story.take(step).await;
        }
        story.end().await;
    }
}

#[tokio::test]
async fn in_this_process() {
    let world = World::on(Arc::new(MemoryExchange::default()), Limits::DEVELOPER);
    every_history_ends_as_it_must([&world, &world]).await;
}

#[tokio::test]
async fn over_redis_and_over_two_replicas() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let replica = async || {
        let exchange = RedisExchange::connect(&server.url()).await.expect("a running server");
        World::on(Arc::new(exchange), Limits::DEVELOPER)
    };
    let (one, two) = (replica().await, replica().await);
    every_history_ends_as_it_must([&one, &one]).await;
    every_history_ends_as_it_must([&one, &two]).await;
}

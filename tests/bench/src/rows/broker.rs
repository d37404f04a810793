//! From publish to deliver, through the gRPC door, beside Redis pub/sub.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use micro_proto::broker::{Broker, BrokerClient, Message, PublishRequest, SubscribeRequest};
use tokio::sync::mpsc;

use super::store::with_cpu;
use crate::{
    harness::{Contender, Figure, Row, Settings, closed_loop, contest},
    world::{
        local::{Home, Profile, Server, caller},
        redis::{Durability, Redis},
        tenants::Tenants,
    },
};

const GROUP: &str = "broker";
const TOPIC: &str = "bench";
const PUBLISHERS: usize = 32;
const BODY: usize = 256;
/// Tenants that publish in turns, each to a subscriber of its own.
const TENANTS: usize = 32;

/// Where a publisher learns that its message has arrived.
type Arrivals = Vec<mpsc::UnboundedSender<u64>>;

pub async fn run(settings: &Settings, rows: &mut Vec<Row>) -> Result<()> {
    let tenants = Arc::new(Tenants::found(TENANTS));
    let home = Home::new(settings, Profile::Local)?;
    let server = Arc::new(home.start(None, Some(&tenants)).await?);
    let redis = Redis::start(&settings.dir, Durability::None).await?.map(Arc::new);
    let mut contenders = vec![ours(&server, &tenants)];
    contenders.extend(redis.as_ref().map(theirs));
    let rounds = contest(settings, contenders).await?;
    let what = format!("publish to deliver, {PUBLISHERS} publishers");
    let beside = |figure| Row::beside(GROUP, &what, figure, &rounds[0], rounds.get(1), "Redis pub/sub");
    rows.push(beside(Figure::PerSecond).noting("ours through gRPC with a token each, theirs on their own protocol"));
    rows.extend([Figure::P50Micros, Figure::P99Micros, Figure::CpuMicros].map(beside));
    Arc::into_inner(server).context("still in use")?.stop().await
}

/// Each publisher waits until its own subscriber has the message.
fn ours(server: &Arc<Server>, tenants: &Arc<Tenants>) -> Contender {
    let (server, tenants) = (server.clone(), tenants.clone());
    Contender::new("ours", move |length| {
        let (server, tenants) = (server.clone(), tenants.clone());
        async move {
            let broker = Arc::new(BrokerClient::new(server.client()?));
            let (arrivals, arrived) = channels();
            let mut listening = tokio::task::JoinSet::new();
            for (token, arrival) in tenants.tokens().iter().zip(arrivals) {
                let request = SubscribeRequest {
                    topic: TOPIC.into(),
                    queue: String::new(),
                };
                let mut messages = broker.subscribe(&caller(token), request).await?;
                listening.spawn(async move {
                    while let Some(Ok(message)) = messages.next().await {
                        let _over = arrival.send(number_of(&message.body));
                    }
                });
            }
            let cpu = server.cpu()?;
            let load = closed_loop(PUBLISHERS, length, move |publisher, call| {
                let (broker, tenants, arrived) = (broker.clone(), tenants.clone(), arrived.clone());
                async move {
                    let request = PublishRequest {
                        topic: TOPIC.into(),
                        message: Some(Message {
                            body: body(call),
                            ..Message::default()
                        }),
                    };
                    broker.publish(&caller(&tenants.tokens()[publisher]), request).await?;
                    arrived.wait(publisher, call).await
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}

fn theirs(redis: &Arc<Redis>) -> Contender {
    let redis = redis.clone();
    Contender::new("Redis pub/sub", move |length| {
        let redis = redis.clone();
        async move {
            let connection = redis.connection().await?;
            let (arrivals, arrived) = channels();
            let mut listening = tokio::task::JoinSet::new();
            for (number, arrival) in arrivals.into_iter().enumerate() {
                let mut messages = redis.client().get_async_pubsub().await?;
                messages.subscribe(format!("{TOPIC}-{number}")).await?;
                listening.spawn(async move {
                    let mut messages = messages.into_on_message();
                    while let Some(message) = messages.next().await {
                        let _over = arrival.send(number_of(message.get_payload_bytes()));
                    }
                });
            }
            let cpu = redis.cpu()?;
            let load = closed_loop(PUBLISHERS, length, move |publisher, call| {
                let (mut connection, arrived) = (connection.clone(), arrived.clone());
                async move {
                    let mut publish = redis::cmd("PUBLISH");
                    publish.arg(format!("{TOPIC}-{publisher}")).arg(body(call));
                    let receivers: i64 = publish.query_async(&mut connection).await?;
                    ensure!(receivers == 1, "{receivers} subscribers");
                    arrived.wait(publisher, call).await
                }
            });
            with_cpu(load.await?, &cpu)
        }
    })
}

/// What publishers wait on.
#[derive(Clone)]
struct Arrived(Arc<[tokio::sync::Mutex<mpsc::UnboundedReceiver<u64>>]>);

impl Arrived {
    async fn wait(&self, publisher: usize, call: u64) -> Result<()> {
        const SOON: Duration = Duration::from_secs(10);
        let mut arrivals = self.0[publisher].lock().await;
        let next = tokio::time::timeout(SOON, arrivals.recv()).await;
        let number = next.context("a message was lost")?.context("the subscription ended")?;
        ensure!(number == call, "message {number} instead of {call}");
        Ok(())
    }
}

fn channels() -> (Arrivals, Arrived) {
    let (tell, hear): (Arrivals, Vec<_>) = (0..PUBLISHERS).map(|_| mpsc::unbounded_channel()).unzip();
    (tell, Arrived(hear.into_iter().map(tokio::sync::Mutex::new).collect()))
}

fn body(number: u64) -> Vec<u8> {
    let mut body = vec![b'm'; BODY];
    body[..8].copy_from_slice(&number.to_be_bytes());
    body
}

fn number_of(body: &[u8]) -> u64 {
    body.first_chunk().copied().map_or(u64::MAX, u64::from_be_bytes)
}

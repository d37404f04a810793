//! Messages carried through Redis, to the subscribers of all replicas.
//!
//! A message goes out on its topic's channel, and each replica that has subscribers gives it to them. Of a queue
//! with members on several replicas, the replica that claims the message first gives it to one of its own.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use micro_clock::Ids;
use micro_proto::broker::Message;
use prost::Message as _;
use redis::{
    Client, Msg, RedisError, Value,
    aio::{ConnectionManager, ConnectionManagerConfig, PubSubSink, PubSubStream},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use crate::{Address, Exchange, ExchangeError, MemoryExchange, Subscription};

/// How long a call waits for Redis.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection to listen on may be silent before Redis is asked whether it is still there: one that was cut
/// without a word looks like one on which nobody publishes.
const SILENCE: Duration = Duration::from_secs(10);
/// How long until a lost connection is tried again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a claim is remembered: longer than replicas can be apart.
const CLAIM: Duration = Duration::from_secs(60);
/// As many messages as one round of claims is for.
const ROUND: usize = 256;

/// Carries messages through Redis: one connection to publish, one to listen, both mend themselves. What is
/// published while Redis cannot be reached is refused; what others publish meanwhile is lost, as ever with pub/sub.
pub struct RedisExchange {
    commands: ConnectionManager,
    local: MemoryExchange,
    asks: mpsc::UnboundedSender<Ask>,
}

enum Ask {
    Listen(Address, oneshot::Sender<()>),
    Unlisten(Address),
}

impl RedisExchange {
    /// Connects to `url` (`redis://…`, `rediss://…`, `redis+unix:///…`); fails if nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, ExchangeError> {
        let client = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(PATIENCE / 2))
            .set_response_timeout(Some(PATIENCE / 2));
        let commands = ConnectionManager::new_with_config(client.clone(), config).await?;
        let (asks, asked) = mpsc::unbounded_channel();
        let local = MemoryExchange::default();
        let listener = Listener {
            client,
            commands: commands.clone(),
            local: local.clone(),
            asked,
            channels: HashMap::new(),
            waiting: Vec::new(),
        };
        tokio::spawn(listener.run());
        Ok(Self { commands, local, asks })
    }
}

#[async_trait]
impl Exchange for RedisExchange {
    async fn publish(&self, to: &Address, message: Message) -> Result<(), ExchangeError> {
        let mut envelope = Ids.random().as_bytes().to_vec();
        envelope.extend(message.encode_to_vec());
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel(to)).arg(envelope);
        let mut commands = self.commands.clone();
        let published = timeout(PATIENCE, publish.query_async::<()>(&mut commands));
        Ok(published.await.map_err(|_| ExchangeError::Silent)??)
    }

    async fn subscribe(&self, to: &Address, queue: &str) -> Result<Subscription, ExchangeError> {
        let (done, listening) = oneshot::channel();
        let _the_listener_outlives_us = self.asks.send(Ask::Listen(to.clone(), done));
        let (asks, at) = (self.asks.clone(), to.clone());
        let subscription = self.local.join(to, queue).and_then(move || {
            let _nobody_listens_any_more = asks.send(Ask::Unlisten(at));
        });
        match timeout(PATIENCE, listening).await {
            Ok(Ok(())) => Ok(subscription),
            _ => Err(ExchangeError::Silent),
        }
    }
}

/// What Redis answers, unless it takes too long.
async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    let silent = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
    timeout(PATIENCE, answer).await.unwrap_or_else(silent)
}

/// `micro:broker:<namespace>:<topic>`
fn channel(to: &Address) -> String {
    format!("micro:broker:{}:{}", to.namespace, to.topic)
}

/// The one task that listens.
struct Listener {
    client: Client,
    commands: ConnectionManager,
    local: MemoryExchange,
    asked: mpsc::UnboundedReceiver<Ask>,
    /// What is listened to, and for how many subscribers.
    channels: HashMap<String, (Address, usize)>,
    /// Who waits to be told that Redis listens.
    waiting: Vec<oneshot::Sender<()>>,
}

/// Why listening ended.
enum End {
    /// The exchange is gone, and all subscribers with it.
    Over,
    /// The connection is.
    Lost(Option<RedisError>),
}

impl Listener {
    async fn run(mut self) {
        loop {
            let end = match in_time(self.client.get_async_pubsub()).await {
                Ok(connection) => {
                    let (sink, stream) = connection.split();
                    self.listen(sink, stream).await
                }
                Err(error) => End::Lost(Some(error)),
            };
            match end {
                End::Over => return,
                End::Lost(error) => tracing::warn!(?error, "the broker lost Redis, and tries again"),
            }
            if let End::Over = self.pause().await {
                return;
            }
        }
    }

    /// Listens until the connection is lost.
    async fn listen(&mut self, mut sink: PubSubSink, stream: PubSubStream) -> End {
        let channels: Vec<&String> = self.channels.keys().collect();
        if !channels.is_empty()
            && let Err(error) = in_time(sink.subscribe(channels)).await
        {
            return End::Lost(Some(error));
        }
        for told in self.waiting.drain(..) {
            let _it_may_have_left = told.send(());
        }
        let mut rounds = stream.ready_chunks(ROUND);
        loop {
            tokio::select! {
                ask = self.asked.recv() => match ask {
                    None => return End::Over,
                    Some(ask) => if let Err(error) = self.change(&mut sink, ask).await {
                        return End::Lost(Some(error));
                    },
                },
                round = rounds.next() => match round {
                    Some(messages) => self.deliver(messages).await,
                    None => return End::Lost(None),
                },
                () = sleep(SILENCE) => if let Err(error) = in_time(sink.ping::<Value>()).await {
                    return End::Lost(Some(error));
                },
            }
        }
    }

    /// Listens to one channel more or less.
    async fn change(&mut self, sink: &mut PubSubSink, ask: Ask) -> Result<(), RedisError> {
        match ask {
            Ask::Listen(to, told) => {
                let first = self.count_in(&to);
                self.waiting.push(told);
                if first {
                    in_time(sink.subscribe(channel(&to))).await?;
                }
                for told in self.waiting.drain(..) {
                    let _it_may_have_left = told.send(());
                }
            }
            Ask::Unlisten(to) => {
                if self.count_out(&to) {
                    in_time(sink.unsubscribe(channel(&to))).await?;
                }
            }
        }
        Ok(())
    }

    /// One subscriber more; whether it is the first.
    fn count_in(&mut self, to: &Address) -> bool {
        let (_, count) = self.channels.entry(channel(to)).or_insert_with(|| (to.clone(), 0));
        *count += 1;
        *count == 1
    }

    /// One subscriber less; whether it was the last.
    fn count_out(&mut self, to: &Address) -> bool {
        let name = channel(to);
        let Some((_, count)) = self.channels.get_mut(&name) else {
            return false;
        };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.channels.remove(&name);
        }
        last
    }

    /// Waits before the next try, and counts who comes and goes meanwhile.
    async fn pause(&mut self) -> End {
        let over = sleep(PAUSE);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return End::Lost(None),
                ask = self.asked.recv() => match ask {
                    None => return End::Over,
                    Some(Ask::Listen(to, told)) => {
                        self.count_in(&to);
                        self.waiting.push(told);
                    }
                    Some(Ask::Unlisten(to)) => {
                        self.count_out(&to);
                    }
                },
            }
        }
    }

    /// Gives messages to this replica's subscribers, in order; first claims them for queues, in one round trip.
    async fn deliver(&mut self, messages: Vec<Msg>) {
        let arrived: Vec<Arrived> = messages.iter().filter_map(|message| self.open(message)).collect();
        let claims: Vec<(usize, &String)> = arrived
            .iter()
            .enumerate()
            .flat_map(|(place, one)| one.queues.iter().map(move |queue| (place, queue)))
            .collect();
        let won = self.claim(&arrived, &claims).await;
        let mine: Vec<(usize, &String)> = claims
            .into_iter()
            .zip(won)
            .filter_map(|(claim, won)| won.then_some(claim))
            .collect();
        for (place, one) in arrived.iter().enumerate() {
            let mine = |queue: &str| mine.iter().any(|(p, q)| *p == place && q.as_str() == queue);
            self.local.deliver(&one.to, &one.message, mine);
        }
    }

    fn open(&self, message: &Msg) -> Option<Arrived> {
        let (to, _) = self.channels.get(message.get_channel_name())?;
        let (id, encoded) = message.get_payload_bytes().split_at_checked(16)?;
        Some(Arrived {
            to: to.clone(),
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            message: Arc::new(Message::decode(encoded).ok()?),
            queues: self.local.queues(to),
        })
    }

    /// Which of these this replica may hand out. None where Redis cannot say: twice is worse than not at all here.
    async fn claim(&mut self, arrived: &[Arrived], claims: &[(usize, &String)]) -> Vec<bool> {
        if claims.is_empty() {
            return Vec::new();
        }
        let mut pipe = redis::pipe();
        for (place, queue) in claims {
            let key = format!("micro:broker:claim:{}:{queue}", arrived[*place].id);
            pipe.cmd("SET")
                .arg(key)
                .arg(1)
                .arg("NX")
                .arg("PX")
                .arg(CLAIM.as_millis() as u64);
        }
        match timeout(PATIENCE, pipe.query_async::<Vec<Option<String>>>(&mut self.commands)).await {
            Ok(Ok(answers)) => answers.iter().map(Option::is_some).collect(),
            failed => {
                tracing::warn!(error = ?failed.map(|answer| answer.err()), "messages for queues could not be claimed");
                vec![false; claims.len()]
            }
        }
    }
}

/// A message, and who may want it here.
struct Arrived {
    to: Address,
    id: String,
    message: Arc<Message>,
    queues: Vec<String>,
}

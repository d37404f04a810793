//! A member of a group of consumers: it goes on where it stopped when the server was away.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    Context, Error, Start, Streaming,
    backoff::Backoff,
    frame,
    value::{number, unpack},
};

/// How often in a row a refused identity is taken for one that the server has forgotten.
const UNKNOWN: u32 = 3;

/// The events of a topic, for one group, as they come. It outlives the server: what was lost is found again, and what
/// was not acknowledged comes again.
pub struct Consumer<T> {
    subscription: Subscription,
    open: Option<Open>,
    backoff: Backoff,
    over: bool,
    payload: fn(&str, &str) -> Result<T, Error>,
}

/// An event, to be acknowledged. One that is dropped comes again when its time is over.
pub struct Event<T> {
    /// Its own.
    pub id: String,
    /// What it is about.
    pub topic: String,
    /// Its place in the topic, from 0.
    pub number: u64,
    /// What its publisher added.
    pub metadata: BTreeMap<String, String>,
    /// What was published.
    pub payload: T,
    receipt: Receipt,
}

/// With what an event is answered.
pub(crate) struct Receipt {
    id: String,
    number: u64,
    reached: Arc<AtomicU64>,
    acks: mpsc::Sender<Bytes>,
}

/// What is asked of the server, again whenever it was lost.
struct Subscription {
    context: Context,
    request: Value,
    /// Without a name the server forgets where it stood: the next event is counted here.
    named: bool,
    reached: Arc<AtomicU64>,
}

struct Open {
    events: Streaming<Raw>,
    acks: mpsc::Sender<Bytes>,
}

#[derive(Deserialize)]
struct Raw {
    id: String,
    #[serde(default)]
    topic: String,
    #[serde(default, deserialize_with = "number")]
    number: u64,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    payload: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Topics {
    topics: Vec<Topic>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Topic {
    name: String,
    #[serde(deserialize_with = "number")]
    next: u64,
}

impl Subscription {
    async fn open(&self) -> Result<Open, Error> {
        let mut request = self.request.clone();
        let reached = self.reached.load(Relaxed);
        if !self.named && reached > 0 {
            request["number"] = reached.to_string().into();
        }
        let (acks, more) = mpsc::channel(16);
        let more = Some(Streaming::received(more));
        let events = self.context.open("events", "Stream.Consume", &request, more).await?;
        Ok(Open { events, acks })
    }

    /// Where a topic ends now, so that nothing is missed that comes while the server is away for the first time.
    async fn end(&self, topic: &str) -> Result<u64, Error> {
        let listed: Topics = self
            .context
            .ask("events", "Topics.List", &json!({ "prefix": topic }))
            .await?;
        let found = listed.topics.into_iter().find(|t| t.name == topic);
        Ok(found.map_or(0, |topic| topic.next))
    }

    /// The group went on to this one: what is before it was decided.
    fn receipt(&self, raw: &Raw, open: &Open) -> Receipt {
        self.reached.fetch_max(raw.number, Relaxed);
        Receipt {
            id: raw.id.clone(),
            number: raw.number,
            reached: self.reached.clone(),
            acks: open.acks.clone(),
        }
    }
}

impl<T: DeserializeOwned> Consumer<T> {
    pub(crate) async fn begin(
        context: Context,
        topic: &str,
        group: &str,
        mut request: Value,
        start: Start,
    ) -> Result<Self, Error> {
        let mut subscription = Subscription {
            context: context.detached(),
            request: Value::Null,
            named: !group.is_empty(),
            reached: Arc::default(),
        };
        if !subscription.named && start == Start::Now {
            request["number"] = subscription.end(topic).await?.to_string().into();
        }
        subscription.request = request;
        Ok(Self {
            open: Some(subscription.open().await?),
            subscription,
            backoff: Backoff::new(),
            over: false,
            payload: unpack,
        })
    }
}

impl<T> Consumer<T> {
    /// The next event, waited for as long as it takes, also while the server is away. One of another shape is refused,
    /// and an error here; so is what the server will not give, behind which there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Event<T>, Error>> {
        while !self.over {
            let failed = match &mut self.open {
                Some(open) => match open.events.next().await {
                    Some(Ok(raw)) => {
                        self.backoff.reset();
                        let receipt = self.subscription.receipt(&raw, open);
                        return Some(read(self.payload, raw, receipt).await);
                    }
                    ended => ended.and_then(Result::err),
                },
                None => match self.subscription.open().await {
                    Ok(open) => {
                        self.open = Some(open);
                        continue;
                    }
                    Err(e) => Some(e),
                },
            };
            self.open = None;
            match failed {
                Some(e) if self.is_final(&e) => {
                    self.over = true;
                    return Some(Err(e));
                }
                _ => self.backoff.pause().await,
            }
        }
        None
    }

    /// Whether asking again would be answered alike.
    fn is_final(&self, e: &Error) -> bool {
        match e.code {
            401 => self.backoff.failures() >= UNKNOWN,
            408 | 409 | 429 => false,
            code => (400..500).contains(&code),
        }
    }
}

async fn read<T>(payload: fn(&str, &str) -> Result<T, Error>, raw: Raw, receipt: Receipt) -> Result<Event<T>, Error> {
    match payload(&raw.payload, &format!("an event of {:?}", raw.topic)) {
        Ok(payload) => Ok(Event {
            id: raw.id,
            topic: raw.topic,
            number: raw.number,
            metadata: raw.metadata,
            payload,
            receipt,
        }),
        Err(e) => Err(receipt.refuse().await.err().unwrap_or(e)),
    }
}

impl<T> Event<T> {
    /// It is done. It comes again all the same where the server is lost before it has heard so.
    pub async fn ack(self) -> Result<(), Error> {
        self.receipt.ack().await
    }

    /// It could not be done: it comes again, until its group gives it up.
    pub async fn refuse(self) -> Result<(), Error> {
        self.receipt.refuse().await
    }

    pub(crate) fn split(self) -> (T, Receipt) {
        (self.payload, self.receipt)
    }
}

impl Receipt {
    pub(crate) async fn ack(self) -> Result<(), Error> {
        self.reached.fetch_max(self.number + 1, Relaxed);
        self.answer(true).await
    }

    pub(crate) async fn refuse(self) -> Result<(), Error> {
        self.answer(false).await
    }

    async fn answer(self, success: bool) -> Result<(), Error> {
        let ack = frame::encode_json(&json!({ "id": self.id, "success": success }))?;
        // Where the server was lost, the event comes again, and is answered then.
        self.acks.send(ack).await.ok();
        Ok(())
    }
}

//! Events: kept, and given to each group of consumers until it has said that they are done.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    Context, Error, Streaming, frame,
    value::{number, pack, unpack},
};

/// Where in a topic to begin; a group that exists goes on where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what is published from now on.
    #[default]
    Now,
    /// With the oldest event that is kept.
    Oldest,
    /// With the event of this number.
    Number(u64),
    /// With the first that was published at this time or later.
    Time(SystemTime),
}

impl Start {
    /// Micro's offset, in unix seconds, and our number.
    fn place(self) -> (i64, Option<u64>) {
        match self {
            Self::Now => (0, None),
            Self::Oldest => (0, Some(0)),
            Self::Number(number) => (0, Some(number)),
            Self::Time(at) => {
                let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                (i64::try_from(seconds).unwrap_or(i64::MAX).max(1), None)
            }
        }
    }
}

/// How long a consumer has for an event before it is given out again, in Micro's nanoseconds.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How often a group tries an event that it refuses, before it goes on without it.
const RETRIES: u32 = 5;

/// Topics of the namespace, whose events are kept.
#[derive(Clone)]
pub struct Events {
    context: Context,
}

/// An event, to be acknowledged.
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
    acks: mpsc::Sender<Bytes>,
}

/// The events of a topic, for one group, as they come.
pub struct Consumer<T> {
    events: Streaming<Raw>,
    acks: mpsc::Sender<Bytes>,
    payload: fn(&str, &str) -> Result<T, Error>,
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

impl Events {
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    /// Publishes an event. When this returns, it is kept.
    pub async fn publish(&self, topic: &str, event: &impl Serialize) -> Result<(), Error> {
        let request = json!({ "topic": topic, "payload": pack(event)? });
        self.context
            .call::<Value>("events", "Stream.Publish", &request)
            .await
            .map(drop)
    }

    /// Publishes an event once, however often it is asked for: `producer` is who publishes, and `sequence` counts its
    /// events from 1. Whether it was not there already. After an error, ask for the same again.
    pub async fn publish_once(
        &self,
        topic: &str,
        event: &impl Serialize,
        producer: &str,
        sequence: u64,
    ) -> Result<bool, Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Published {
            duplicate: bool,
        }
        let request = json!({
            "topic": topic,
            "payload": pack(event)?,
            "producer": producer,
            "sequence": sequence.to_string(),
        });
        let published: Published = self.context.call("events", "Stream.Publish", &request).await?;
        Ok(!published.duplicate)
    }

    /// Consumes a topic as a member of a group, whose members share its events and its place in the topic. A new
    /// group begins with what is published from now on.
    pub async fn consume<T: DeserializeOwned>(&self, topic: &str, group: &str) -> Result<Consumer<T>, Error> {
        self.consume_from(topic, group, Start::Now).await
    }

    /// The same; a new group begins elsewhere. Without a name it is a group of its own, forgotten at its end.
    pub async fn consume_from<T: DeserializeOwned>(
        &self,
        topic: &str,
        group: &str,
        start: Start,
    ) -> Result<Consumer<T>, Error> {
        let (acks, more) = mpsc::channel(16);
        let (offset, number) = start.place();
        let mut request = json!({
            "topic": topic,
            "group": group,
            "offset": offset.to_string(),
            "ack_wait": ACK_WAIT.as_nanos().to_string(),
            "retry_limit": RETRIES.to_string(),
        });
        if let Some(number) = number {
            request["number"] = number.to_string().into();
        }
        let events = self
            .context
            .open("events", "Stream.Consume", &request, Some(more))
            .await?;
        Ok(Consumer {
            events,
            acks,
            payload: unpack,
        })
    }
}

impl<T> Consumer<T> {
    /// The next event; none where the stream has ended. One of another shape is refused, and an error here.
    pub async fn next(&mut self) -> Option<Result<Event<T>, Error>> {
        let Raw {
            id,
            topic,
            number,
            metadata,
            payload,
        } = match self.events.next().await? {
            Ok(raw) => raw,
            Err(e) => return Some(Err(e)),
        };
        match (self.payload)(&payload, &format!("an event of {topic:?}")) {
            Ok(payload) => {
                let receipt = Receipt {
                    id: id.clone(),
                    acks: self.acks.clone(),
                };
                Some(Ok(Event {
                    id,
                    topic,
                    number,
                    metadata,
                    payload,
                    receipt,
                }))
            }
            Err(e) => {
                let receipt = Receipt {
                    id,
                    acks: self.acks.clone(),
                };
                Some(Err(receipt.refuse().await.err().unwrap_or(e)))
            }
        }
    }
}

impl<T> Event<T> {
    /// It is done, and does not come again.
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
        self.answer(true).await
    }

    pub(crate) async fn refuse(self) -> Result<(), Error> {
        self.answer(false).await
    }

    async fn answer(self, success: bool) -> Result<(), Error> {
        let ack = frame::encode_json(&json!({ "id": self.id, "success": success }))?;
        let gone = |_| Error::new(503, "the stream of events has ended; the event comes again");
        self.acks.send(ack).await.map_err(gone)
    }
}

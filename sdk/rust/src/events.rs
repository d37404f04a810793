//! Events: kept, and given to each group of consumers until it has said that they are done.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Context, Error, consumer::Consumer, value::pack};

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

impl Events {
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    /// Publishes an event. When this returns, it is kept.
    pub async fn publish(&self, topic: &str, event: &impl Serialize) -> Result<(), Error> {
        let request = json!({ "topic": topic, "payload": pack(event)? });
        self.context
            .ask::<Value>("events", "Stream.Publish", &request)
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
        let published: Published = self.context.ask("events", "Stream.Publish", &request).await?;
        Ok(!published.duplicate)
    }

    /// Consumes a topic as a member of a group, whose members share its events and its place in the topic. A new
    /// group begins with what is published from now on.
    ///
    /// ```no_run
    /// # use micro_sdk::{Context, Error};
    /// # async fn follow(context: Context) -> Result<(), Error> {
    /// let mut notes = context.events().consume::<String>("notes", "counters").await?;
    /// while let Some(note) = notes.next().await {
    ///     let note = note?;
    ///     println!("{}: {}", note.number, note.payload);
    ///     note.ack().await?;
    /// }
    /// # Ok(()) }
    /// ```
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
        Consumer::begin(self.context.clone(), topic, group, request, start).await
    }
}

//! Messages for whoever listens now: fire and forget.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Context, Error, Streaming,
    value::{pack, unpack},
};

/// Topics of the namespace. What nobody listens to is gone; for what must arrive there are
/// [events](crate::Events).
#[derive(Clone)]
pub struct Broker {
    context: Context,
}

/// A message of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<T> {
    /// What the publisher's call carried.
    pub header: BTreeMap<String, String>,
    /// What was published.
    pub body: T,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Raw {
    header: BTreeMap<String, String>,
    body: String,
}

impl Broker {
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    /// Tells all who listen to `topic`.
    pub async fn publish(&self, topic: &str, message: &impl Serialize) -> Result<(), Error> {
        let request = json!({ "topic": topic, "message": { "body": pack(message)? } });
        self.context
            .ask::<Value>("broker", "Broker.Publish", &request)
            .await
            .map(drop)
    }

    /// Listens. Of those who name the same queue, one gets each message; with an empty queue, everybody does. A
    /// message of another shape is an error in the stream, which goes on.
    pub async fn subscribe<T: DeserializeOwned + 'static>(
        &self,
        topic: &str,
        queue: &str,
    ) -> Result<Streaming<Message<T>>, Error> {
        let request = json!({ "topic": topic, "queue": queue });
        let messages = self
            .context
            .open::<_, Raw>("broker", "Broker.Subscribe", &request, None)
            .await?;
        let place = format!("a message of {topic:?}");
        Ok(messages.and_then(move |raw| {
            Ok(Message {
                body: unpack(&raw.body, &place)?,
                header: raw.header,
            })
        }))
    }
}

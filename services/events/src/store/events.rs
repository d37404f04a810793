//! Events as they stand in the log, and reading them.

use bytes::Bytes;
use micro_proto::events::Event;
use micro_storage::StoreError;
use prost::Message;

use super::Stored;
use crate::place::Place;

/// About as many bytes as one read takes into memory, and the most events.
const READ_BYTES: usize = 256 << 10;
const READ: usize = 4_096;

impl Stored {
    /// An event as it is stored: what its place says is left out.
    pub fn encode(event: Event) -> Bytes {
        let bare = Event {
            topic: String::new(),
            number: 0,
            ..event
        };
        bare.encode_to_vec().into()
    }

    /// The next piece of a topic, from `number` on or from the oldest kept; nothing where the topic ends. A piece has
    /// few bytes whatever the size of the events.
    pub async fn events(&self, place: &Place, number: u64) -> Result<Vec<Event>, StoreError> {
        let (log, topic) = (&self.parts.log, place.in_log());
        let entries = log.read_page(&place.tenant, &topic, number, READ, READ_BYTES).await?;
        let decode = |entry: micro_storage::log::Entry| {
            let event = Event::decode(entry.payload);
            let event = event.map_err(|_| StoreError::Damaged("an event does not parse".into()))?;
            Ok(Event {
                topic: place.topic.to_string(),
                number: entry.offset,
                ..event
            })
        };
        entries.into_iter().map(decode).collect()
    }

    /// The number that the topic's next event will have.
    pub async fn next_number(&self, place: &Place) -> Result<u64, StoreError> {
        Ok(self.parts.log.extent(&place.tenant, &place.in_log()).await?.next)
    }
}

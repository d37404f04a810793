//! Events as they stand in the log, and reading them.

use bytes::Bytes;
use micro_proto::events::Event;
use micro_storage::StoreError;
use prost::Message;

use super::Stored;
use crate::place::Place;

/// About as many bytes as one read takes into memory.
const READ_BYTES: usize = 1 << 20;
/// The most events of one read.
const READ: usize = 256;

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

    /// Events from `number` on, or from the oldest kept, at most `limit`.
    pub async fn events(&self, place: &Place, number: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let log = &self.parts.log;
        let entries = log.read(&place.tenant, &place.in_log(), number, limit).await?;
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

/// Reads a topic piece by piece, in pieces of few bytes whatever the size of its events.
pub struct Reader {
    limit: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self { limit: 16 }
    }
}

impl Reader {
    /// The next piece; nothing where the topic ends.
    pub async fn read(&mut self, stored: &Stored, place: &Place, number: u64) -> Result<Vec<Event>, StoreError> {
        let events = stored.events(place, number, self.limit).await?;
        if !events.is_empty() {
            let bytes: usize = events.iter().map(Message::encoded_len).sum();
            self.limit = (READ_BYTES / (bytes / events.len()).max(1)).clamp(1, READ);
        }
        Ok(events)
    }
}

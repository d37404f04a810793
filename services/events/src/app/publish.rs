//! Publishing.

use micro_clock::Ids;
use micro_proto::events::{Event, PublishRequest, PublishResponse};
use micro_tenancy::Caller;

use crate::{App, EventsError, place::Place, store::Stored};

impl App {
    /// Publishes an event; it is durable once this returns.
    pub(crate) async fn publish_event(
        &self,
        caller: &Caller,
        request: PublishRequest,
    ) -> Result<PublishResponse, EventsError> {
        let place = Place::of(caller, request.topic)?;
        let event = Event {
            id: Ids.ordered().to_string(),
            topic: String::new(),
            metadata: request.metadata,
            payload: request.payload,
            timestamp: match request.timestamp {
                given if given > 0 => given,
                _ => self.parts.clock.now().unix_timestamp(),
            },
            number: 0,
        };
        self.check_size(&event)?;
        self.stored.ensure_topic(&place).await?;
        if !request.producer.is_empty() {
            return self
                .publish_once(place, request.producer, request.sequence, event)
                .await;
        }
        self.appender.append(&place, Stored::encode(&event)).await?;
        Ok(PublishResponse {
            id: event.id,
            duplicate: false,
        })
    }

    fn check_size(&self, event: &Event) -> Result<(), EventsError> {
        let metadata: usize = event
            .metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let (size, limit) = (metadata + event.payload.len(), self.parts.limits.message_bytes);
        match size as u64 > limit.max {
            true => Err(EventsError::TooLarge { size, limit }),
            false => Ok(()),
        }
    }
}

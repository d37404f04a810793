//! Publishing, and writing to the event store, which is the same log.

use micro_clock::Ids;
use micro_proto::events::{Event, PublishRequest, PublishResponse, WriteRequest};
use micro_tenancy::Caller;

use crate::{
    App, EventsError,
    place::{Place, check_name},
    store::Stored,
};

impl App {
    /// Publishes an event; it is durable once this returns.
    pub(crate) async fn publish_event(
        &self,
        caller: &Caller,
        request: PublishRequest,
    ) -> Result<PublishResponse, EventsError> {
        let place = Place::of(caller, request.topic)?;
        let event = Event {
            metadata: request.metadata,
            payload: request.payload,
            timestamp: request.timestamp,
            ..Event::default()
        };
        let event = self.admit(&place, event).await?;
        if !request.producer.is_empty() {
            return self
                .publish_once(place, request.producer, request.sequence, event)
                .await;
        }
        let id = event.id.clone();
        self.appender.append(&place, Stored::encode(event)).await?;
        Ok(PublishResponse { id, duplicate: false })
    }

    /// Keeps an event as it is, with the id and the time that it has: consumers see it too.
    pub(crate) async fn write_event(&self, caller: &Caller, request: WriteRequest) -> Result<(), EventsError> {
        let event = request.event.unwrap_or_default();
        let place = Place::of(caller, event.topic.clone())?;
        if request.ttl != 0 {
            return Err(EventsError::Ttl);
        }
        check_name(&event.id)?;
        let event = self.admit(&place, event).await?;
        self.appender.append(&place, Stored::encode(event)).await.map(drop)
    }

    /// The event with all that it needs, if it may be published.
    async fn admit(&self, place: &Place, event: Event) -> Result<Event, EventsError> {
        self.check_size(&event)?;
        let (now, limit) = (self.parts.clock.now(), self.parts.limits.events_per_second);
        let taken = self.rations.take(place.tenant.id(), 1, now).await;
        taken.map_err(|exceeded| EventsError::Rate {
            limit,
            wait: exceeded.retry_after.whole_seconds() + 1,
        })?;
        self.stored.ensure_topic(place).await?;
        Ok(Event {
            id: match event.id.is_empty() {
                true => Ids.ordered().to_string(),
                false => event.id,
            },
            timestamp: match event.timestamp {
                given if given > 0 => given,
                _ => now.unix_timestamp(),
            },
            ..event
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

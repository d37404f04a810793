//! Publishing an event that its producer counts: once, however often it is asked for.
//!
//! What is about to be published is written down first, with the place in the log from which it would be found; who
//! asks again, after whatever went wrong, looks there.

use micro_proto::events::{Event, PublishResponse};
use micro_storage::StoreError;

use crate::{
    App, EventsError,
    place::{Place, check_name},
    store::{Produced, Stored},
};

impl App {
    /// Publishes the event unless it is there. Finished even if the caller leaves.
    pub(super) async fn publish_once(
        &self,
        place: Place,
        producer: String,
        sequence: u64,
        event: Event,
    ) -> Result<PublishResponse, EventsError> {
        check_name(&producer)?;
        if sequence == 0 {
            return Err(EventsError::NoSequence);
        }
        let app = self.clone();
        let work = async move {
            let _one_at_a_time = app.producers.enter((place.key(), producer.clone())).await;
            app.publish_next(&place, &producer, sequence, event).await
        };
        tokio::spawn(work).await.map_err(StoreError::failed)?
    }

    async fn publish_next(
        &self,
        place: &Place,
        producer: &str,
        sequence: u64,
        mut event: Event,
    ) -> Result<PublishResponse, EventsError> {
        let last = self.stored.produced(place, producer).await?;
        let next = match last {
            Some(last) if sequence < last.sequence => return Ok(duplicate(String::new())),
            Some(last) if sequence == last.sequence => {
                if self.is_published(place, producer, &last).await? {
                    return Ok(duplicate(last.id));
                }
                last
            }
            Some(last) if !self.is_published(place, producer, &last).await? => {
                return Err(EventsError::Unfinished(last.sequence));
            }
            last => {
                let from = self.stored.next_number(place).await?;
                Produced::behind(last.as_ref(), sequence, event.id, from)
            }
        };
        if !self.stored.produce(place, producer, &next).await? {
            return Err(EventsError::Busy);
        }
        event.id = next.id.clone();
        self.appender.append(place, Stored::encode(event)).await?;
        self.finished.insert((place.key(), producer.to_owned()), sequence);
        Ok(PublishResponse {
            id: next.id,
            duplicate: false,
        })
    }

    /// Whether a producer's last event is in the log; busy while another replica may be putting it there.
    async fn is_published(&self, place: &Place, producer: &str, last: &Produced) -> Result<bool, EventsError> {
        let key = (place.key(), producer.to_owned());
        if self.finished.get(&key) == Some(last.sequence) || self.stored.is_published(place, last).await? {
            self.finished.insert(key, last.sequence);
            return Ok(true);
        }
        let now = self.parts.clock.now().unix_timestamp();
        match last.by != self.stored.boot && now < last.until {
            true => Err(EventsError::Busy),
            false => Ok(false),
        }
    }
}

fn duplicate(id: String) -> PublishResponse {
    PublishResponse { id, duplicate: true }
}

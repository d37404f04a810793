//! Events that are in memory because they come next for somebody: what all consumers of a namespace have so together
//! is bounded, however many there are and however slowly they read.

use std::collections::VecDeque;

use micro_domain::{Limit, NamespaceId};
use micro_limits::Permit;
use micro_proto::events::Event;
use micro_storage::StoreError;

use super::Stored;
use crate::place::Place;

/// Bytes of one namespace, apart from one event for each consumer.
const AHEAD: Limit = Limit {
    name: "events.ahead",
    max: 64 << 20,
};

/// What comes next for one consumer or group, and the room that it takes.
#[derive(Default)]
pub struct Ahead {
    events: VecDeque<Event>,
    _room: Option<Permit<NamespaceId>>,
}

impl Ahead {
    /// The next event, which is nobody else's from here on.
    pub fn take(&mut self) -> Option<Event> {
        let next = self.events.pop_front();
        if self.events.is_empty() {
            *self = Self::default();
        }
        next
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl Stored {
    /// What comes next in a topic, from `number` on or from the oldest kept; nothing where it ends. No more than one
    /// event where the namespace's consumers have too much in memory already: then they read one by one.
    pub async fn read_ahead(&self, place: &Place, number: u64) -> Result<Ahead, StoreError> {
        let mut events = self.events(place, number).await?;
        let size = events.iter().skip(1).map(size_of).sum::<usize>() as u64;
        let room = self.ahead.enter_with(place.tenant.id(), size, AHEAD).ok();
        if room.is_none() {
            events.truncate(1);
            events.shrink_to_fit();
        }
        Ok(Ahead {
            events: events.into(),
            _room: room,
        })
    }
}

/// About as many bytes as an event takes in memory.
fn size_of(event: &Event) -> usize {
    let metadata = event.metadata.iter();
    let metadata: usize = metadata.map(|(name, value)| name.len() + value.len()).sum();
    size_of_val(event) + event.payload.len() + metadata
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use micro_clock::{Clock, TestClock};
    use micro_domain::Limits;
    use micro_limits::MemoryLimiter;
    use micro_storage::{
        log::{Append, Log},
        memory::{MemoryLog, MemoryRecords},
    };
    use micro_testkit::{authority, tenant};
    use uuid::Uuid;

    use super::*;
    use crate::Parts;

    const EVENT: usize = 64 << 10;

    async fn stored(places: &[&Place]) -> Stored {
        let (log, clock) = (Arc::new(MemoryLog::default()), TestClock::default());
        for place in places {
            let event = Stored::encode(Event {
                payload: vec![b'x'; EVENT],
                ..Event::default()
            });
            let batch = Append {
                tenant: &place.tenant,
                topic: place.in_log(),
                payloads: vec![event; 8],
            };
            for appended in log.append(vec![batch], clock.now()).await {
                appended.expect("appended");
            }
        }
        let parts = Parts {
            log,
            records: Arc::new(MemoryRecords::default()),
            clock: Arc::new(clock),
            authority: authority(),
            limiter: Arc::new(MemoryLimiter::default()),
            limits: Limits::DEVELOPER,
            shared: false,
        };
        Stored::new(Arc::new(parts), Uuid::nil())
    }

    #[tokio::test]
    async fn what_a_namespaces_consumers_have_before_them_is_bounded_together() {
        let (adas, bobs) = (Place::named(&tenant("ada"), "t"), Place::named(&tenant("bob"), "t"));
        let stored = stored(&[&adas, &bobs]).await;
        let alone = stored.read_ahead(&adas, 0).await.expect("read").events.len();
        assert!(alone > 1);
        let mut all = Vec::new();
        for _ in 0..1_000 {
            all.push(stored.read_ahead(&adas, 0).await.expect("read"));
        }
        let there: usize = all.iter().map(|ahead| ahead.events.len()).sum();
        assert!(
            there * EVENT <= AHEAD.max as usize + all.len() * EVENT,
            "{there} events"
        );
        let mut last = all.pop().expect("some");
        assert_eq!(last.take().expect("one in any case").number, 0);
        assert!(last.take().is_none());
        let others = stored.read_ahead(&bobs, 0).await.expect("read");
        assert_eq!(others.events.len(), alone, "another namespace has its own room");
        for ahead in &mut all {
            while ahead.take().is_some() {}
        }
        let again = stored.read_ahead(&adas, 1).await.expect("read");
        assert_eq!(again.events.len(), alone, "what was handed out has given its room back");
    }
}

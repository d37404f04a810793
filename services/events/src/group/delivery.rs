//! Handing one event to a member that has asked, so that it is with exactly one of the two at any time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use micro_proto::events::Event;
use tokio::{sync::oneshot, time::timeout};

use super::Manner;

/// How long a member that has asked may take to come and get it.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// A member asks for its next event.
pub struct Ask {
    pub member: u64,
    pub manner: Manner,
    pub reply: oneshot::Sender<Delivery>,
}

/// An event on its way.
pub struct Delivery {
    event: Arc<Mutex<Option<Event>>>,
    taken: oneshot::Sender<()>,
}

impl Ask {
    /// Hands the event over; whether the member took it.
    pub async fn answer(self, event: Event) -> bool {
        let event = Arc::new(Mutex::new(Some(event)));
        let (taken, was_taken) = oneshot::channel();
        let delivery = Delivery {
            event: event.clone(),
            taken,
        };
        if self.reply.send(delivery).is_err() {
            return false;
        }
        match timeout(TAKEN_WITHIN, was_taken).await {
            Ok(Ok(())) => true,
            // Gone, or stuck: whoever is first at the event has it.
            _ => take(&event).is_none(),
        }
    }
}

impl Delivery {
    /// Takes the event; none where it was taken back meanwhile.
    pub fn take(self) -> Option<Event> {
        let event = take(&self.event)?;
        let _it_will_find_out = self.taken.send(());
        Some(event)
    }
}

fn take(event: &Mutex<Option<Event>>) -> Option<Event> {
    event.lock().unwrap_or_else(PoisonError::into_inner).take()
}

//! Waking who waits for a topic's next event, when it is published in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::place::{Place, TopicKey};

/// The topics that somebody waits for.
#[derive(Clone, Default)]
pub struct Heads(Arc<Mutex<HashMap<TopicKey, watch::Sender<()>>>>);

impl Heads {
    fn watched(&self) -> MutexGuard<'_, HashMap<TopicKey, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever something was published.
    pub fn watch(&self, place: &Place) -> watch::Receiver<()> {
        self.watched()
            .entry(place.key())
            .or_insert_with(|| watch::channel(()).0)
            .subscribe()
    }

    /// Something was published.
    pub fn tell(&self, key: &TopicKey) {
        let mut watched = self.watched();
        let Some(head) = watched.get(key) else { return };
        if head.receiver_count() == 0 {
            watched.remove(key);
        } else {
            head.send_replace(());
        }
    }

    /// Whether somebody consumes the topic here.
    pub fn is_watched(&self, key: &TopicKey) -> bool {
        self.watched().get(key).is_some_and(|head| head.receiver_count() > 0)
    }

    /// Forgets topics that nobody waits for any more.
    pub fn tidy(&self) {
        self.watched().retain(|_, head| head.receiver_count() > 0);
    }
}

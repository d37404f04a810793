//! How many subscribers and topics each namespace has, in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use micro_domain::{Limits, NamespaceId};

use crate::{Address, BrokerError};

/// Subscribers by topic, by namespace.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<HashMap<NamespaceId, HashMap<String, u64>>>>);

/// One subscriber's seat, until it is dropped.
pub struct Seat {
    seats: Seats,
    at: Address,
}

impl Seats {
    fn taken(&self) -> MutexGuard<'_, HashMap<NamespaceId, HashMap<String, u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, if there is one left.
    pub fn take(&self, at: &Address, limits: &Limits) -> Result<Seat, BrokerError> {
        let mut taken = self.taken();
        if let Some(topics) = taken.get(&at.namespace) {
            if topics.values().sum::<u64>() >= limits.subscribers.max {
                return Err(BrokerError::Limit(limits.subscribers));
            }
            if topics.len() as u64 >= limits.topics.max && !topics.contains_key(&at.topic) {
                return Err(BrokerError::Limit(limits.topics));
            }
        }
        *taken
            .entry(at.namespace)
            .or_default()
            .entry(at.topic.clone())
            .or_default() += 1;
        Ok(Seat {
            seats: self.clone(),
            at: at.clone(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        let Some(topics) = taken.get_mut(&self.at.namespace) else {
            return;
        };
        if let Some(count) = topics.get_mut(&self.at.topic) {
            *count -= 1;
            if *count == 0 {
                topics.remove(&self.at.topic);
            }
        }
        if topics.is_empty() {
            taken.remove(&self.at.namespace);
        }
    }
}

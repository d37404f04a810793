//! How many subscribers and topics each namespace has, in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use micro_domain::{Limits, NamespaceId};

use micro_tenancy::LimitReached;

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

    /// Subscribers of a namespace, and the topics that they have.
    pub fn count(&self, namespace: NamespaceId) -> (u64, u64) {
        let taken = self.taken();
        taken
            .get(&namespace)
            .map_or((0, 0), |topics| (topics.values().sum(), topics.len() as u64))
    }

    /// Takes a seat, if there is one left.
    pub fn take(&self, at: &Address, limits: &Limits) -> Result<Seat, BrokerError> {
        let mut taken = self.taken();
        if let Some(topics) = taken.get(&at.namespace) {
            LimitReached::check(limits.subscribers, topics.values().sum())?;
            if !topics.contains_key(&at.topic) {
                LimitReached::check(limits.topics, topics.len() as u64)?;
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

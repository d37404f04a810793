//! How much is going on at once, by key, in this process.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use micro_domain::Limit;
use time::Duration;

use crate::{Allowed, Exceeded};

/// Counts what is under way for each key (a namespace, a door). Clones count together.
#[derive(Debug)]
pub struct InFlight<K>(Arc<Mutex<HashMap<K, u64>>>);

impl<K> Clone for InFlight<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for InFlight<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone> InFlight<K> {
    /// Counts one more until the permit is dropped, unless there are as many as allowed.
    pub fn enter(&self, key: K, limit: Limit) -> Result<Permit<K>, Exceeded> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        if *count >= limit.max {
            return Err(Exceeded {
                limit: limit.name,
                allowed: Some(Allowed::AtOnce(limit.max)),
                retry_after: Duration::SECOND,
            });
        }
        *count += 1;
        Ok(Permit {
            counts: self.clone(),
            key,
        })
    }

    /// How many are under way.
    pub fn count(&self, key: &K) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .copied()
            .unwrap_or(0)
    }
}

/// One thing under way.
#[derive(Debug)]
pub struct Permit<K: Hash + Eq + Clone> {
    counts: InFlight<K>,
    key: K,
}

impl<K: Hash + Eq + Clone> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_allowed_at_once_and_each_key_by_itself() {
        let (in_flight, two) = (
            InFlight::default(),
            Limit {
                name: "requests.in_flight",
                max: 2,
            },
        );
        let first = in_flight.enter("ada", two).expect("one");
        let _second = in_flight.enter("ada", two).expect("two");
        assert_eq!(
            in_flight.enter("ada", two).expect_err("three").limit,
            "requests.in_flight"
        );
        assert!(in_flight.enter("bob", two).is_ok());
        drop(first);
        assert_eq!((in_flight.count(&"ada"), in_flight.count(&"bob")), (1, 0));
        assert!(in_flight.enter("ada", two).is_ok());
    }
}

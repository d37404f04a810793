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
        self.enter_with(key, 1, limit)
    }

    /// Counts so many more (bytes, perhaps) until the permit is dropped, unless that would be more than is allowed.
    pub fn enter_with(&self, key: K, amount: u64, limit: Limit) -> Result<Permit<K>, Exceeded> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&key).copied().unwrap_or(0).saturating_add(amount);
        if count > limit.max {
            return Err(Exceeded {
                limit: limit.name,
                allowed: Some(Allowed::AtOnce(limit.max)),
                retry_after: Duration::SECOND,
            });
        }
        counts.insert(key.clone(), count);
        Ok(Permit {
            counts: self.clone(),
            key,
            amount,
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
    amount: u64,
}

impl<K: Hash + Eq + Clone> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= self.amount;
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

    #[test]
    fn amounts_count_together_and_are_given_back() {
        let (bytes, ten) = (InFlight::default(), Limit { name: "bytes", max: 10 });
        let six = bytes.enter_with("ada", 6, ten).expect("six");
        assert!(bytes.enter_with("ada", 5, ten).is_err());
        let four = bytes.enter_with("ada", 4, ten).expect("ten in all");
        drop(six);
        assert_eq!(bytes.count(&"ada"), 4);
        drop(four);
        assert!(bytes.enter_with("ada", u64::MAX, ten).is_err());
        assert_eq!(bytes.count(&"ada"), 0);
    }
}

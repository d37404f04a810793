//! A map that never grows past its bound: what was not used for a while makes room.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

const SHARDS: usize = 64;

/// A cache of at most about `capacity` values, in shards of their own locks. Each shard keeps a young and an
/// old half: values that are used move to the young one, and when that is full the old one is dropped.
#[derive(Debug)]
pub struct Bounded<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: RandomState,
    half: usize,
}

#[derive(Debug)]
struct Shard<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V: Clone> Bounded<K, V> {
    /// An empty cache for about `capacity` values.
    pub fn new(capacity: usize) -> Self {
        let shards = SHARDS.min(capacity.max(1));
        let shard = || {
            Mutex::new(Shard {
                young: HashMap::new(),
                old: HashMap::new(),
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            hasher: RandomState::new(),
            half: (capacity / shards / 2).max(1),
        }
    }

    /// The value, if it is still known.
    pub fn get(&self, key: &K) -> Option<V>
    where
        K: Clone,
    {
        let mut shard = self.shard(key);
        if let Some(value) = shard.young.get(key) {
            return Some(value.clone());
        }
        let value = shard.old.remove(key)?;
        self.put(&mut shard, key.clone(), value.clone());
        Some(value)
    }

    /// Remembers a value.
    pub fn insert(&self, key: K, value: V) {
        let mut shard = self.shard(&key);
        shard.old.remove(&key);
        self.put(&mut shard, key, value);
    }

    /// The value, made if it is not known.
    pub fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> V
    where
        K: Clone,
    {
        let mut shard = self.shard(&key);
        if let Some(value) = shard.young.get(&key) {
            return value.clone();
        }
        let value = shard.old.remove(&key).unwrap_or_else(make);
        self.put(&mut shard, key, value.clone());
        value
    }

    /// Forgets a value.
    pub fn remove(&self, key: &K) {
        let mut shard = self.shard(key);
        shard.young.remove(key);
        shard.old.remove(key);
    }

    /// How many values are known.
    pub fn len(&self) -> usize {
        let count = |s: &Mutex<Shard<K, V>>| {
            let shard = s.lock().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(count).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn put(&self, shard: &mut Shard<K, V>, key: K, value: V) {
        if shard.young.len() >= self.half {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(key, value);
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        let at = self.hasher.hash_one(key) as usize % self.shards.len();
        // A panic cannot leave a map half changed: the lock is as good as before it.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_grows_past_its_bound() {
        let cache = Bounded::new(1_000);
        for n in 0..100_000 {
            cache.insert(n, n);
        }
        assert!(cache.len() <= 1_000, "{}", cache.len());
    }

    #[test]
    fn what_is_used_stays() {
        let cache = Bounded::new(1_000);
        cache.insert(u64::MAX, 7);
        for n in 0..50_000 {
            cache.insert(n, 0);
            assert_eq!(cache.get(&u64::MAX), Some(7), "after {n}");
        }
        cache.remove(&u64::MAX);
        assert_eq!(cache.get(&u64::MAX), None);
    }
}

//! One at a time, by key.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Who is in, and who waits. Clones are the same.
#[derive(Debug)]
pub struct Turns<K>(Arc<Mutex<HashMap<K, Arc<AsyncMutex<()>>>>>);

impl<K> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A turn, until it is dropped.
pub struct Turn<K: Hash + Eq> {
    turns: Turns<K>,
    key: K,
    inside: Option<OwnedMutexGuard<()>>,
}

impl<K: Hash + Eq + Clone> Turns<K> {
    /// Waits for its turn.
    pub async fn enter(&self, key: K) -> Turn<K> {
        let door = self.doors().entry(key.clone()).or_default().clone();
        Turn {
            turns: self.clone(),
            key,
            inside: Some(door.lock_owned().await),
        }
    }
}

impl<K> Turns<K> {
    fn doors(&self) -> MutexGuard<'_, HashMap<K, Arc<AsyncMutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Turn<K> {
    fn drop(&mut self) {
        self.inside = None;
        let mut doors = self.turns.doors();
        if doors.get(&self.key).is_some_and(|door| Arc::strong_count(door) == 1) {
            doors.remove(&self.key);
        }
    }
}

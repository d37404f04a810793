//! Rates counted in this process: for one replica.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use crate::{Exceeded, LimitKey, Limiter, Rate, rate::micros};

const SHARDS: usize = 64;

/// Counts in a bounded map. When that is full of buckets that are all in use, new keys fare as if the counter
/// could not be reached: nobody can make the count of a password's tries be forgotten by flooding it.
#[derive(Debug)]
pub struct MemoryLimiter {
    shards: Vec<Mutex<HashMap<LimitKey, i64>>>,
    per_shard: usize,
}

impl MemoryLimiter {
    /// A limiter for at most about `capacity` keys in use at a time.
    pub fn new(capacity: usize) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self {
            shards,
            per_shard: (capacity / SHARDS).max(1),
        }
    }

    /// [`Limiter::take`] without waiting: it never has to.
    pub fn take_now(&self, key: LimitKey, cost: u32, rate: Rate, now: OffsetDateTime) -> Result<(), Exceeded> {
        let shard = usize::from(key.subject[0]) % SHARDS;
        let mut full_at = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let now = micros(now);
        if !full_at.contains_key(&key) && full_at.len() >= self.per_shard {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= self.per_shard {
                return key.uncounted();
            }
        }
        match rate.take(full_at.get(&key).copied().unwrap_or(now), cost, now) {
            Ok(next) => {
                full_at.insert(key, next);
                Ok(())
            }
            Err(wait) => Err(Exceeded {
                limit: key.name,
                allowed: Some(rate.allowed()),
                retry_after: Duration::microseconds(wait),
            }),
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().expect("not poisoned").len()).sum()
    }
}

impl Default for MemoryLimiter {
    /// Room for 100,000 keys: about 6 MB.
    fn default() -> Self {
        Self::new(100_000)
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn take(&self, key: LimitKey, cost: u32, rate: Rate, now: OffsetDateTime) -> Result<(), Exceeded> {
        self.take_now(key, cost, rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_stays_bounded_and_forgets_no_tries() {
        let limiter = MemoryLimiter::new(640);
        let (now, rate) = (OffsetDateTime::UNIX_EPOCH, Rate::of(1, Duration::MINUTE));
        let guessed = LimitKey::tries("login.account", "ada");
        assert!(limiter.take_now(guessed, 1, rate, now).is_ok());
        for n in 0..20_000 {
            let _either = limiter.take_now(LimitKey::tries("login.account", format!("{n}")), 1, rate, now);
            let request = LimitKey::rate("requests", format!("{n}"));
            assert!(limiter.take_now(request, 1, rate, now).is_ok());
        }
        assert!(limiter.len() <= 640, "{}", limiter.len());
        assert!(limiter.take_now(guessed, 1, rate, now).is_err());
        assert!(limiter.take_now(guessed, 1, rate, now + Duration::MINUTE).is_ok());
    }
}

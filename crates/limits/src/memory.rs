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
        // No bucket is full again later than an empty one, unless the clock was set back since: then it is empty.
        let until = full_at
            .get(&key)
            .map_or(now, |at| (*at).min(now.saturating_add(rate.window())));
        match rate.take(until, cost, now) {
            Ok(next) => {
                full_at.insert(key, next);
                Ok(())
            }
            Err(wait) => {
                full_at.entry(key).and_modify(|at| *at = until);
                Err(Exceeded {
                    limit: key.name,
                    allowed: Some(rate.allowed()),
                    retry_after: Duration::microseconds(wait),
                })
            }
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
    fn a_clock_that_is_set_back_refuses_no_longer_than_an_empty_bucket_takes() {
        let (limiter, key) = (MemoryLimiter::default(), LimitKey::tries("login.account", "ada"));
        let (rate, now) = (
            Rate::of(2, Duration::MINUTE),
            OffsetDateTime::UNIX_EPOCH + Duration::DAY,
        );
        let take = |at| limiter.take_now(key, 1, rate, at);
        assert!(take(now).is_ok() && take(now).is_ok());
        let back = now - Duration::HOUR;
        assert_eq!(take(back).expect_err("it is empty").retry_after, Duration::seconds(30));
        assert!(take(back + Duration::seconds(29)).is_err());
        assert!(take(back + Duration::seconds(30)).is_ok());
        assert!(
            take(back + Duration::seconds(30)).is_err(),
            "no more than one has come back"
        );
    }

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

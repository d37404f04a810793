//! Rates counted in Redis: shared by all replicas.

use std::time::Duration as Patience;

use async_trait::async_trait;
use redis::{
    Client, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use time::{Duration, OffsetDateTime};

use crate::{Exceeded, LimitKey, Limiter, Rate, rate::micros};

/// `Rate::take` in Redis: one key with the microsecond at which the bucket is full again, gone once it is.
/// Numbers below 2^53 are exact in Lua; only their default printing is not.
const TAKE: &str = r"
local now, add, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
if full_at < now then full_at = now end
local next = full_at + add
if next - now > window then return next - now - window end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)
return 0
";

/// Counts in Redis, over one connection that mends itself.
pub struct RedisLimiter {
    connection: ConnectionManager,
    take: Script,
}

impl RedisLimiter {
    /// How long a request waits for the counter before it fares as if that could not be reached.
    const PATIENCE: Patience = Patience::from_millis(250);

    /// Connects to `url` (`redis://…`, `rediss://…`, `redis+unix:///…`); fails if nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(Self::PATIENCE * 8))
            .set_response_timeout(Some(Self::PATIENCE));
        let connection = ConnectionManager::new_with_config(Client::open(url)?, config).await?;
        Ok(Self {
            connection,
            take: Script::new(TAKE),
        })
    }

    async fn ask(&self, key: LimitKey, cost: u32, rate: Rate, now: OffsetDateTime) -> Result<i64, RedisError> {
        let subject: String = key.subject.iter().map(|b| format!("{b:02x}")).collect();
        self.take
            .key(format!("micro:limit:{}:{subject}", key.name))
            .arg(micros(now))
            .arg(rate.interval.saturating_mul(i64::from(cost)))
            .arg(rate.window())
            .invoke_async(&mut self.connection.clone())
            .await
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn take(&self, key: LimitKey, cost: u32, rate: Rate, now: OffsetDateTime) -> Result<(), Exceeded> {
        let answer = tokio::time::timeout(Self::PATIENCE * 2, self.ask(key, cost, rate, now)).await;
        let wait = match answer {
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(wait)) => Duration::microseconds(wait),
            Ok(Err(error)) => {
                tracing::warn!(limit.name = key.name, %error, "the shared limiter failed");
                return key.uncounted();
            }
            Err(_) => {
                tracing::warn!(limit.name = key.name, "the shared limiter did not answer in time");
                return key.uncounted();
            }
        };
        Err(Exceeded {
            limit: key.name,
            allowed: Some(rate.allowed()),
            retry_after: wait,
        })
    }
}

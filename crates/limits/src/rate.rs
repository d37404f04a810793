//! The values of a limit, and the arithmetic that both back ends share: GCRA, which is a token bucket that
//! needs one number a key (the time at which the bucket is full again).

use std::fmt;

use micro_error::{Error, Kind};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// What happens when the counter cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OnFailure {
    /// Let it pass, with a warning: for request rates, which protect us from too much.
    Allow,
    /// Refuse: for passwords and codes, which must not be guessed while we look away.
    Refuse,
}

/// What is counted: a named limit and a subject, of which only a digest is kept, since it may be an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitKey {
    pub(crate) name: &'static str,
    pub(crate) subject: [u8; 16],
    pub(crate) on_failure: OnFailure,
}

impl LimitKey {
    /// A request rate: passes when the counter cannot be reached. `name` is said in errors (`requests.per_second`).
    pub fn rate(name: &'static str, subject: impl AsRef<[u8]>) -> Self {
        Self::new(name, subject.as_ref(), OnFailure::Allow)
    }

    /// Tries at a secret: refuses when the counter cannot be reached. `name` is said in errors (`login.account`).
    pub fn tries(name: &'static str, subject: impl AsRef<[u8]>) -> Self {
        Self::new(name, subject.as_ref(), OnFailure::Refuse)
    }

    fn new(name: &'static str, subject: &[u8], on_failure: OnFailure) -> Self {
        let digest = Sha256::digest(subject);
        Self {
            name,
            subject: digest[..16].try_into().expect("32 bytes"),
            on_failure,
        }
    }

    /// The answer where nothing can be counted.
    pub(crate) fn uncounted(self) -> Result<(), Exceeded> {
        match self.on_failure {
            OnFailure::Allow => Ok(()),
            OnFailure::Refuse => Err(Exceeded {
                limit: self.name,
                allowed: None,
                retry_after: Duration::SECOND,
            }),
        }
    }
}

impl fmt::Debug for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LimitKey({})", self.name)
    }
}

/// So much within a time, evenly; and so much at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds that one unit takes to come back.
    pub(crate) interval: i64,
    /// Units that may be taken at once.
    pub(crate) burst: u32,
}

impl Rate {
    /// `count` within `period`, all of them at once if need be.
    pub fn of(count: u32, period: Duration) -> Self {
        let count = count.max(1);
        let interval = (period.whole_microseconds() / i128::from(count)).clamp(1, i128::from(i64::MAX));
        Self {
            interval: i64::try_from(interval).expect("clamped"),
            burst: count,
        }
    }

    /// The same rate with another burst.
    #[must_use]
    pub fn with_burst(self, burst: u32) -> Self {
        Self {
            burst: burst.max(1),
            ..self
        }
    }

    /// What it allows, in words.
    pub(crate) fn allowed(self) -> Allowed {
        Allowed::Within(self.burst, Duration::microseconds(self.window()))
    }

    /// Microseconds for a full bucket.
    pub(crate) fn window(self) -> i64 {
        self.interval.saturating_mul(i64::from(self.burst))
    }

    /// The new state after taking `cost` at `now` from a bucket that is full again at `full_at`; or, where there
    /// is not enough in it, how many microseconds to wait.
    pub(crate) fn take(self, full_at: i64, cost: u32, now: i64) -> Result<i64, i64> {
        let next = full_at
            .max(now)
            .saturating_add(self.interval.saturating_mul(i64::from(cost)));
        let too_early = next - now - self.window();
        if too_early > 0 { Err(too_early) } else { Ok(next) }
    }
}

/// Microseconds since 1970, as the state of a bucket counts them.
pub(crate) fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).expect("within some hundred thousand years")
}

/// Too much, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much at once ({limit}): try again in {} s", seconds(.retry_after))]
pub struct Exceeded {
    /// The limit's name.
    pub limit: &'static str,
    /// How much is allowed, where that could be told.
    pub allowed: Option<Allowed>,
    /// When it may work again.
    pub retry_after: Duration,
}

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// So many under way at a time: all of them are.
    AtOnce(u64),
    /// So many within a time.
    Within(u32, Duration),
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce(count) => write!(f, "{count} at once"),
            Self::Within(count, time) => write!(f, "{count} in {} s", seconds(time)),
        }
    }
}

/// Whole seconds, rounded up.
fn seconds(wait: &Duration) -> i64 {
    wait.whole_seconds() + i64::from(wait.subsec_nanoseconds() > 0)
}

impl From<Exceeded> for Error {
    fn from(exceeded: Exceeded) -> Self {
        let wait = seconds(&exceeded.retry_after).max(1);
        let name = exceeded.limit;
        let text = match exceeded.allowed {
            Some(allowed) => format!("Too many requests ({name}: {allowed}): try again in {wait} s"),
            None => format!("Too many requests ({name}): try again in {wait} s"),
        };
        Error::new(Kind::TooMany, format!("limits.{}", exceeded.limit), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_limit_and_the_wait_and_not_the_subject() {
        let key = LimitKey::tries("login.account", "ada@example.com");
        assert_eq!(format!("{key:?}"), "LimitKey(login.account)");
        let exceeded = |allowed| {
            Error::from(Exceeded {
                limit: key.name,
                allowed,
                retry_after: Duration::milliseconds(1_200),
            })
        };
        let e = exceeded(None);
        assert_eq!((e.kind(), e.id()), (Kind::TooMany, "limits.login.account"));
        assert_eq!(e.message(), "Too many requests (login.account): try again in 2 s");
        let ten_a_minute = Rate::of(10, Duration::MINUTE).allowed();
        for (allowed, words) in [(ten_a_minute, "10 in 60 s"), (Allowed::AtOnce(2), "2 at once")] {
            let text = format!("Too many requests (login.account: {words}): try again in 2 s");
            assert_eq!(exceeded(Some(allowed)).message(), text);
        }
    }
}

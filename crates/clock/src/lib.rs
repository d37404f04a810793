//! Time and randomness come in through these two, so that tests can hold them still.

use std::sync::{Arc, Mutex};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// What time it is. Asked once per operation; the answer travels as a parameter, into SQL too.
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<OffsetDateTime>>);

impl TestClock {
    /// A clock that shows `now`.
    pub fn at(now: OffsetDateTime) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves time on.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().expect("no panic while holding the time") += by;
    }
}

impl Default for TestClock {
    /// 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(OffsetDateTime::from_unix_timestamp(1_767_225_600).expect("in range"))
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().expect("no panic while holding the time")
    }
}

/// Fresh identifiers and secrets from the operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids;

impl Ids {
    /// A random id (UUID v4): for global tables, where an ordered one would make one hot range.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes them")]
    pub fn random(self) -> Uuid {
        Uuid::new_v4()
    }

    /// An id that sorts by time (UUID v7): for keys already led by a namespace.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes them")]
    pub fn ordered(self) -> Uuid {
        Uuid::now_v7()
    }

    /// `N` random bytes, for secrets: 20 of them print as the 40 hexadecimal digits of a confirmation code.
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        rand::random()
    }
}

//! How long to wait before trying again what failed.

use std::time::Duration;

use tokio::time::{self, Instant};

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(5);
/// What went well for so long has not failed again and again.
const WELL: Duration = Duration::from_secs(10);

/// Doubles from try to try, up to a bound.
pub(crate) struct Backoff {
    failures: u32,
    since: Instant,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self {
            failures: 0,
            since: Instant::now(),
        }
    }

    /// It works.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often in a row it has failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Waits, after a failure.
    pub(crate) async fn pause(&mut self) {
        if self.since.elapsed() > WELL + wait(self.failures) {
            self.failures = 0;
        }
        self.since = Instant::now();
        let wait = wait(self.failures);
        self.failures = self.failures.saturating_add(1);
        time::sleep(wait).await;
    }
}

fn wait(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<u128> = (0..8).map(|n| wait(n).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(wait(u32::MAX), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn what_went_well_for_long_begins_anew() {
        let mut backoff = Backoff::new();
        for _ in 0..9 {
            backoff.pause().await;
        }
        assert_eq!(backoff.failures(), 9);
        time::advance(WELL + MOST * 2).await;
        backoff.pause().await;
        assert_eq!(backoff.failures(), 1);
    }
}

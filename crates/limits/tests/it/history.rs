//! Random histories: every limiter answers as a bucket that is refilled by hand.

use std::collections::HashMap;

use micro_limits::{LimitKey, Limiter, MemoryLimiter, Rate, RedisLimiter};
use micro_testkit::RedisServer;
use proptest::{
    prelude::{Strategy, prop},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use time::Duration;

use crate::contract::now;

const HISTORIES: usize = 40;
/// What one unit takes to come back, and how many there are at most: of each subject.
const INTERVAL: i64 = 250_000;
const BURST: i64 = 8;

/// Microseconds that pass, whose bucket, and what is taken.
type Step = (i64, u8, u32);

fn histories() -> Vec<Vec<Step>> {
    let step = (0_i64..3 * INTERVAL, 0_u8..3, 0_u32..6);
    let history = prop::collection::vec(step, 1..60);
    let mut runner = TestRunner::deterministic();
    let one = |_| history.new_tree(&mut runner).expect("a history").current();
    (0..HISTORIES).map(one).collect()
}

/// Units of each subject, in microseconds of refilling, and when they were counted.
#[derive(Default)]
struct Model(HashMap<u8, (i64, i64)>);

impl Model {
    /// Whether it is allowed; else how many microseconds to wait.
    fn take(&mut self, subject: u8, cost: u32, at: i64) -> Result<(), i64> {
        let full = BURST * INTERVAL;
        let (held, since) = self.0.get(&subject).copied().unwrap_or((full, at));
        let held = (held + at - since).min(full);
        let left = held - i64::from(cost) * INTERVAL;
        self.0.insert(subject, (if left < 0 { held } else { left }, at));
        if left < 0 { Err(-left) } else { Ok(()) }
    }
}

async fn answers_as_the_model_does(limiter: &dyn Limiter) {
    let rate = Rate::of(4, Duration::SECOND).with_burst(BURST as u32);
    for (number, history) in histories().into_iter().enumerate() {
        let (mut model, mut at) = (Model::default(), 0);
        for (place, (passes, subject, cost)) in history.iter().enumerate() {
            at += passes;
            let key = LimitKey::tries("history", format!("{number}/{subject}"));
            let taken = limiter.take(key, *cost, rate, now() + Duration::microseconds(at)).await;
            let waits = taken.map_err(|refused| refused.retry_after.whole_microseconds() as i64);
            assert_eq!(waits, model.take(*subject, *cost, at), "step {place} of {history:?}");
        }
    }
}

#[tokio::test]
async fn in_this_process() {
    answers_as_the_model_does(&MemoryLimiter::default()).await;
}

#[tokio::test]
async fn in_redis() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let limiter = RedisLimiter::connect(&server.url()).await.expect("a running server");
    answers_as_the_model_does(&limiter).await;
}

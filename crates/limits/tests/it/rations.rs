//! What is taken in rations is as much as the rate allows, and no more.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use micro_limits::{Exceeded, LimitKey, Limiter, MemoryLimiter, Rate, Rations};
use micro_testkit::tenant;
use time::{Duration, OffsetDateTime};

use crate::contract::now;

/// Counts how often it is asked.
#[derive(Default)]
struct Asked {
    inner: MemoryLimiter,
    times: AtomicUsize,
}

#[async_trait]
impl Limiter for Asked {
    async fn take(&self, key: LimitKey, cost: u32, rate: Rate, now: OffsetDateTime) -> Result<(), Exceeded> {
        self.times.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.inner.take(key, cost, rate, now).await
    }
}

/// How many of `tries` tasks, all at once, may do one thing.
async fn allowed(rations: &Arc<Rations>, tries: usize, now: OffsetDateTime) -> usize {
    let ada = tenant("ada-ns").id();
    let tasks: Vec<_> = (0..tries)
        .map(|_| {
            let rations = rations.clone();
            tokio::spawn(async move { rations.take(ada, 1, now).await.is_ok() })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += usize::from(task.await.expect("no panic"));
    }
    count
}

#[tokio::test]
async fn exactly_the_burst_passes_and_then_the_rate_with_few_questions() {
    let asked = Arc::new(Asked::default());
    let rations = Arc::new(Rations::per_second(asked.clone(), "events.per_second", 500));
    assert_eq!(allowed(&rations, 4_900, now()).await, 4_900);
    let questions = asked.times.load(Ordering::Relaxed);
    assert!(questions <= 500, "one a ration of ten, not one an event: {questions}");
    assert_eq!(allowed(&rations, 200, now()).await, 100, "the edge is exact");
    assert_eq!(allowed(&rations, 1_000, now() + Duration::seconds(1)).await, 500);
    let bob = tenant("bobs-ns").id();
    rations.take(bob, 1, now()).await.expect("everybody has their own");
    let refused = rations
        .take(tenant("ada-ns").id(), 1, now() + Duration::seconds(1))
        .await
        .expect_err("used up");
    assert_eq!(
        (refused.limit, refused.retry_after),
        ("events.per_second", Duration::milliseconds(2))
    );
}

#[tokio::test]
async fn replicas_keep_to_it_together() {
    let shared: Arc<dyn Limiter> = Arc::new(MemoryLimiter::default());
    let replica = || Arc::new(Rations::per_second(shared.clone(), "events.per_second", 500));
    let (one, two) = (replica(), replica());
    let passed = allowed(&one, 4_000, now()).await + allowed(&two, 4_000, now()).await;
    assert!(
        (4_990..=5_000).contains(&passed),
        "what one did not take the other may, but for a ration: {passed}"
    );
}

#[tokio::test]
async fn a_small_rate_is_handed_out_one_by_one() {
    let rations = Arc::new(Rations::per_second(
        Arc::new(MemoryLimiter::default()),
        "events.per_second",
        1,
    ));
    assert_eq!(allowed(&rations, 30, now()).await, 10);
    assert_eq!(allowed(&rations, 30, now() + Duration::seconds(3)).await, 3);
}

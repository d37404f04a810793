//! What every limiter promises.

use micro_limits::{LimitKey, Limiter, MemoryLimiter, Rate, RedisLimiter};
use micro_testkit::RedisServer;
use time::{Duration, OffsetDateTime};

pub fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_767_225_600).expect("in range")
}

async fn keeps_the_contract(limiter: &dyn Limiter) {
    allows_a_burst_and_then_an_even_rate(limiter).await;
    takes_nothing_when_it_refuses(limiter).await;
    counts_each_name_and_subject_by_itself(limiter).await;
    charges_what_a_thing_costs(limiter).await;
}

async fn allows_a_burst_and_then_an_even_rate(limiter: &dyn Limiter) {
    let (key, rate) = (LimitKey::tries("burst", "ada"), Rate::of(5, Duration::seconds(10)));
    for _ in 0..5 {
        limiter.take(key, 1, rate, now()).await.expect("within the burst");
    }
    let refused = limiter.take(key, 1, rate, now()).await.expect_err("the sixth");
    assert_eq!((refused.limit, refused.retry_after), ("burst", Duration::seconds(2)));
    let later = now() + Duration::seconds(2);
    limiter.take(key, 1, rate, later).await.expect("one came back");
    limiter.take(key, 1, rate, later).await.expect_err("one only");
    let much_later = now() + Duration::hours(1);
    for _ in 0..5 {
        limiter.take(key, 1, rate, much_later).await.expect("all came back");
    }
    limiter
        .take(key, 1, rate, much_later)
        .await
        .expect_err("not more than the burst");
}

async fn takes_nothing_when_it_refuses(limiter: &dyn Limiter) {
    let (key, rate) = (LimitKey::rate("refused", "ada"), Rate::of(1, Duration::MINUTE));
    limiter.take(key, 1, rate, now()).await.expect("the first");
    for _ in 0..10 {
        limiter.take(key, 1, rate, now()).await.expect_err("within the minute");
    }
    limiter
        .take(key, 1, rate, now() + Duration::MINUTE)
        .await
        .expect("the minute is over");
}

async fn counts_each_name_and_subject_by_itself(limiter: &dyn Limiter) {
    let rate = Rate::of(1, Duration::MINUTE);
    for key in [
        LimitKey::tries("a", "ada"),
        LimitKey::tries("a", "bob"),
        LimitKey::tries("b", "ada"),
    ] {
        limiter.take(key, 1, rate, now()).await.expect("its own first");
    }
}

async fn charges_what_a_thing_costs(limiter: &dyn Limiter) {
    let (key, rate) = (
        LimitKey::rate("cost", "ada"),
        Rate::of(1_000, Duration::SECOND).with_burst(10),
    );
    limiter.take(key, 7, rate, now()).await.expect("seven of ten");
    limiter.take(key, 4, rate, now()).await.expect_err("four of three");
    limiter.take(key, 3, rate, now()).await.expect("three of three");
    limiter
        .take(key, 11, rate, now() + Duration::HOUR)
        .await
        .expect_err("more than ever fits");
}

#[tokio::test]
async fn the_one_in_this_process_keeps_the_contract() {
    keeps_the_contract(&MemoryLimiter::default()).await;
}

#[tokio::test]
async fn the_one_in_redis_keeps_the_contract() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let limiter = RedisLimiter::connect(&server.url()).await.expect("a running server");
    keeps_the_contract(&limiter).await;
}

#[tokio::test]
async fn two_replicas_count_together() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let (key, rate) = (LimitKey::tries("shared", "ada"), Rate::of(2, Duration::MINUTE));
    let one = RedisLimiter::connect(&server.url()).await.expect("a running server");
    let two = RedisLimiter::connect(&server.url()).await.expect("a running server");
    one.take(key, 1, rate, now()).await.expect("the first");
    two.take(key, 1, rate, now()).await.expect("the second");
    one.take(key, 1, rate, now()).await.expect_err("the third");
}

#[tokio::test]
async fn without_its_server_requests_pass_and_tries_do_not() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let limiter = RedisLimiter::connect(&server.url()).await.expect("a running server");
    drop(server);
    let rate = Rate::of(1, Duration::MINUTE);
    for _ in 0..2 {
        limiter
            .take(LimitKey::rate("requests", "ada"), 1, rate, now())
            .await
            .expect("fails open");
    }
    limiter
        .take(LimitKey::tries("login", "ada"), 1, rate, now())
        .await
        .expect_err("fails closed");
}

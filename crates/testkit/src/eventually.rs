//! Waiting for something that another task or process does.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

/// Asks every few milliseconds until the condition holds, and panics, naming it, when it does not `within` that time.
#[track_caller]
pub fn eventually<F, Fut>(what: &str, within: Duration, mut condition: F) -> impl Future<Output = ()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + within;
        while !condition().await {
            assert!(Instant::now() < deadline, "{caller}: not {what} within {within:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

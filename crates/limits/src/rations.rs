//! A rate that is asked far more often than a shared counter could be: what may be done is taken from the counter in
//! rations, and handed out from memory.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use micro_domain::NamespaceId;
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex as AsyncMutex;

use crate::{Exceeded, LimitKey, Limiter, Rate};

/// Namespaces whose rations are remembered; those at rest make room, and lose what they hold.
const REMEMBERED: usize = 50_000;

/// A rate of each namespace. All replicas together keep to it, but for the ration that each may hold.
pub struct Rations {
    limiter: Arc<dyn Limiter>,
    name: &'static str,
    rate: Rate,
    ration: u32,
    held: Mutex<HashMap<NamespaceId, Arc<Held>>>,
}

/// What one namespace may do without asking.
#[derive(Default)]
struct Held {
    left: AtomicU32,
    /// One asks at a time: the others wait for what that one gets.
    asking: AsyncMutex<()>,
}

impl Held {
    fn take(&self, cost: u32) -> bool {
        let enough = |left: u32| left.checked_sub(cost);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough)
            .is_ok()
    }
}

impl Rations {
    /// So many a second, averaged over ten seconds; `name` is said in errors (`events.per_second`).
    pub fn per_second(limiter: Arc<dyn Limiter>, name: &'static str, count: u64) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX / 10).min(u32::MAX / 10);
        Self {
            limiter,
            name,
            rate: Rate::of(count, Duration::SECOND).with_burst(count.saturating_mul(10)),
            ration: (count / 50).clamp(1, 4_096),
            held: Mutex::default(),
        }
    }

    /// Takes `cost` from what the namespace may do, or says how long to wait.
    pub async fn take(&self, namespace: NamespaceId, cost: u32, now: OffsetDateTime) -> Result<(), Exceeded> {
        let held = self.of(namespace);
        if held.take(cost) {
            return Ok(());
        }
        let _one_at_a_time = held.asking.lock().await;
        if held.take(cost) {
            return Ok(());
        }
        let key = LimitKey::rate(self.name, namespace.uuid().as_bytes());
        let more = cost.saturating_add(self.ration);
        if self.limiter.take(key, more, self.rate, now).await.is_ok() {
            held.left.fetch_add(self.ration, Ordering::Relaxed);
            return Ok(());
        }
        // Less than a ration is left, and what is left is the namespace's.
        self.limiter.take(key, cost, self.rate, now).await
    }

    fn of(&self, namespace: NamespaceId) -> Arc<Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= REMEMBERED && !held.contains_key(&namespace) {
            held.retain(|_, one| Arc::strong_count(one) > 1);
        }
        held.entry(namespace).or_default().clone()
    }
}

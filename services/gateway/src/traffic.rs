//! What is on its way to each running instance: requests in flight and open connections.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use micro_domain::InstanceId;
use micro_tenancy::bounded::Bounded;
use tokio::sync::Notify;

/// Retired instances that are remembered: their ids never come back, and late connections to them are refused.
const RETIRED: usize = 10_000;

/// The instances that anything is on its way to.
pub struct Instances {
    busy: Mutex<HashMap<InstanceId, Arc<Busy>>>,
    retired: Bounded<InstanceId, ()>,
}

impl Default for Instances {
    fn default() -> Self {
        Self {
            busy: Mutex::default(),
            retired: Bounded::new(RETIRED),
        }
    }
}

/// How much is on its way to one instance.
#[derive(Default)]
pub struct Busy {
    count: AtomicUsize,
    idle: Notify,
}

/// One request or connection.
pub struct OnItsWay(Arc<Busy>);

impl Busy {
    pub fn enter(self: &Arc<Self>) -> OnItsWay {
        self.count.fetch_add(1, Ordering::AcqRel);
        OnItsWay(self.clone())
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Instances {
    /// The counter of an instance; none once it is retired.
    pub fn busy(&self, instance: InstanceId) -> Option<Arc<Busy>> {
        let mut busy = self.lock();
        // Looked at under the lock: whoever retires an instance afterwards finds this counter.
        if self.retired.get(&instance).is_some() {
            return None;
        }
        Some(busy.entry(instance).or_default().clone())
    }

    /// No new connections to an instance from now on.
    pub fn retire(&self, instance: InstanceId) {
        let _busy = self.lock();
        self.retired.insert(instance, ());
    }

    /// Returns once nothing is on its way to a retired instance.
    pub async fn idle(&self, instance: InstanceId) {
        let Some(busy) = self.lock().get(&instance).cloned() else {
            return;
        };
        loop {
            let mut idle = std::pin::pin!(busy.idle.notified());
            // From here on no notice is missed.
            idle.as_mut().enable();
            if busy.count.load(Ordering::Acquire) == 0 {
                self.lock().remove(&instance);
                return;
            }
            idle.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Busy>>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use micro_clock::Ids;

    use super::*;

    #[test]
    fn an_instance_is_idle_when_the_last_of_its_traffic_is_gone() {
        let (instances, instance) = (Instances::default(), InstanceId::new(Ids.random()));
        let busy = instances.busy(instance).expect("new");
        let (request, connection) = (busy.enter(), busy.enter());
        instances.retire(instance);
        assert!(instances.busy(instance).is_none(), "nothing new");
        let mut idle = Box::pin(instances.idle(instance));
        assert!(idle.as_mut().now_or_never().is_none());
        drop(request);
        assert!(idle.as_mut().now_or_never().is_none());
        drop(connection);
        assert!(idle.now_or_never().is_some());
        assert!(instances.idle(instance).now_or_never().is_some(), "and stays so");
    }
}

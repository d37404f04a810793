//! How often each namespace has called each core service, and how often that failed: what `Debug.Stats` tells it.
//! Nobody sees another namespace's.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use micro_domain::NamespaceId;
use micro_tenancy::bounded::Bounded;

/// Namespaces whose figures are kept; those that called longest ago begin again at zero.
const NAMESPACES: usize = 50_000;

/// Calls and failures.
#[derive(Default)]
struct Count {
    requests: AtomicU64,
    errors: AtomicU64,
}

/// The figures of every namespace.
pub struct Figures {
    services: Vec<&'static str>,
    of: Bounded<NamespaceId, Arc<[Count]>>,
}

/// One call that counts.
pub struct Counted {
    counts: Arc<[Count]>,
    service: usize,
}

impl Figures {
    /// For core services of these names.
    pub fn new(services: impl Iterator<Item = &'static str>) -> Self {
        let mut services: Vec<_> = services.collect();
        services.sort_unstable();
        services.dedup();
        Self {
            services,
            of: Bounded::new(NAMESPACES),
        }
    }

    /// Counts a call; none where it is not of a core service's own (`Debug`).
    pub fn count(&self, namespace: NamespaceId, service: &str) -> Option<Counted> {
        let service = self.services.binary_search(&service).ok()?;
        let none = || self.services.iter().map(|_| Count::default()).collect();
        let counts = self.of.get_or_insert_with(namespace, none);
        counts[service].requests.fetch_add(1, Relaxed);
        Some(Counted { counts, service })
    }

    /// A namespace's calls of a service, and how many failed. Under a door's name: of all services.
    pub fn of(&self, namespace: NamespaceId, service: &str) -> (u64, u64) {
        let Some(counts) = self.of.get(&namespace) else {
            return (0, 0);
        };
        let counts = match self.services.binary_search(&service) {
            Ok(at) => &counts[at..=at],
            Err(_) => &counts[..],
        };
        let add = |sum: (u64, u64), one: &Count| (sum.0 + one.requests.load(Relaxed), sum.1 + one.errors.load(Relaxed));
        counts.iter().fold((0, 0), add)
    }
}

impl Counted {
    /// It failed.
    pub fn failed(&self) {
        self.counts[self.service].errors.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use micro_clock::Ids;

    use super::*;

    #[test]
    fn each_namespace_has_its_own_figures() {
        let figures = Figures::new(["store", "auth", "auth"].into_iter());
        let [ada, bob] = [(); 2].map(|()| NamespaceId::new(Ids.random()));
        figures.count(ada, "store").expect("a service").failed();
        figures.count(ada, "store");
        figures.count(ada, "auth");
        figures.count(bob, "auth");
        assert!(figures.count(ada, "debug").is_none());
        assert_eq!((figures.of(ada, "store"), figures.of(ada, "auth")), ((2, 1), (1, 0)));
        assert_eq!((figures.of(ada, "proxy"), figures.of(bob, "proxy")), ((3, 1), (1, 0)));
        assert_eq!(figures.of(bob, "store"), (0, 0));
    }
}

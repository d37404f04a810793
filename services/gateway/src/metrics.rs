//! What the doors count: requests by door and outcome, and how long they took.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::time::Duration;

/// Labels of a request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    door: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DoorLabel {
    door: &'static str,
}

/// The doors' metrics. Their names are a promise: dashboards and alerts rely on them.
pub struct Metrics {
    requests: Family<Labels, Counter>,
    seconds: Family<DoorLabel, Histogram, fn() -> Histogram>,
}

impl Metrics {
    /// Adds the metrics to a registry: `micro_edge_requests_total`, `micro_edge_request_seconds`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(buckets),
        };
        registry.register(
            "micro_edge_requests",
            "Requests at the doors, by how they ended",
            metrics.requests.clone(),
        );
        registry.register(
            "micro_edge_request_seconds",
            "How long requests took, streams included",
            metrics.seconds.clone(),
        );
        metrics
    }

    pub(crate) fn count(&self, door: &'static str, outcome: &'static str, took: Duration) {
        self.requests.get_or_create(&Labels { door, outcome }).inc();
        self.seconds
            .get_or_create(&DoorLabel { door })
            .observe(took.as_secs_f64());
    }
}

/// 0.5 ms to 16 s.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}

//! Which replica runs services, as this one knows it: read on every request for one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use micro_clock::Clock;
use micro_rpc::mesh::Duty;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::bounds;

/// Where the doors of another replica are, as it says itself: host and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// gRPC, for command lines.
    pub proxy: String,
    /// HTTP API.
    pub api: String,
}

/// Who runs services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leader {
    /// Nobody, or nobody knows yet.
    Nobody,
    /// This replica.
    Here,
    /// Another one.
    There(Arc<Replica>),
}

/// Which replica leads: runs services, knows where they are, and passes calls on to them. It does as long as its lease
/// lasts, by the clock on the wall and by the machine's own: one that was stopped knows when it goes on that it may
/// have been replaced.
pub struct Leadership(Option<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    made: Instant,
    leader: watch::Sender<Leader>,
    /// Milliseconds since `made`; 0 while the lease is not ours.
    lasts: AtomicU64,
    /// The same end in Unix milliseconds.
    until: AtomicI64,
}

impl Leadership {
    /// Of a server that has no replicas.
    pub fn alone() -> Self {
        Self(None)
    }

    /// Of one replica among several: nobody leads until it is told otherwise.
    pub fn among_replicas(clock: Arc<dyn Clock>) -> Self {
        Self(Some(Shared {
            clock,
            made: Instant::now(),
            leader: watch::Sender::new(Leader::Nobody),
            lasts: AtomicU64::new(0),
            until: AtomicI64::new(0),
        }))
    }

    /// Whether there may be replicas.
    pub fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// This replica's lease was taken or renewed at `asked` and holds for so long.
    pub fn hold(&self, asked: Instant, now: OffsetDateTime, lasts: Duration) {
        let Some(shared) = &self.0 else { return };
        let end = asked + lasts;
        shared.until.store(millis(now + lasts), Ordering::Relaxed);
        shared.lasts.store(shared.since_made(end), Ordering::Relaxed);
        // Whoever waits looks again.
        shared.leader.send_modify(|_| {});
    }

    /// This replica has taken over: what it runs takes requests.
    pub fn serve(&self) {
        self.tell(Leader::Here);
    }

    /// Another replica has the lease, or nobody.
    pub fn see(&self, leader: Option<Replica>) {
        let Some(shared) = &self.0 else { return };
        shared.lasts.store(0, Ordering::Relaxed);
        self.tell(leader.map_or(Leader::Nobody, |replica| Leader::There(Arc::new(replica))));
    }

    /// Who leads now.
    pub fn leader(&self) -> Leader {
        let Some(shared) = &self.0 else { return Leader::Here };
        match &*shared.leader.borrow() {
            Leader::Here if !shared.holds() => Leader::Nobody,
            leader => leader.clone(),
        }
    }

    /// Who leads, as soon as that is somebody else than `not`, or who it is after all when time is up.
    pub async fn leader_but(&self, not: &Leader, within: Duration) -> Leader {
        let Some(shared) = &self.0 else { return Leader::Here };
        let mut changes = shared.leader.subscribe();
        let look = async {
            loop {
                changes.mark_unchanged();
                let leader = self.leader();
                if leader != *not && leader != Leader::Nobody {
                    return leader;
                }
                if changes.changed().await.is_err() {
                    return Leader::Nobody;
                }
            }
        };
        let found = tokio::time::timeout(within, look).await;
        found.unwrap_or_else(|_| self.leader())
    }

    /// Returns once that replica leads no more, and what it was about to answer had a moment to arrive.
    pub async fn left_by(self: Arc<Self>, replica: Arc<Replica>) {
        let Some(shared) = &self.0 else { return };
        let mut changes = shared.leader.subscribe();
        // The sender lives as long as `self`: this ends with a change.
        drop(
            changes
                .wait_for(|leader| *leader != Leader::There(replica.clone()))
                .await,
        );
        tokio::time::sleep(bounds::LAST_ANSWERS).await;
    }

    fn tell(&self, leader: Leader) {
        let Some(shared) = &self.0 else { return };
        shared.leader.send_if_modified(|known| {
            let news = *known != leader;
            *known = leader;
            news
        });
    }
}

impl Shared {
    fn since_made(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }

    fn holds(&self) -> bool {
        self.since_made(Instant::now()) < self.lasts.load(Ordering::Relaxed)
            && millis(self.clock.now()) < self.until.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Duty for Leadership {
    fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(Shared::holds)
    }

    async fn held(&self) {
        let Some(shared) = &self.0 else { return };
        let mut changes = shared.leader.subscribe();
        loop {
            changes.mark_unchanged();
            if shared.holds() || changes.changed().await.is_err() {
                return;
            }
        }
    }
}

fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use micro_clock::TestClock;

    use super::*;

    const LASTS: Duration = Duration::from_secs(5);

    fn there() -> Replica {
        Replica {
            proxy: "10.0.0.7:8081".into(),
            api: "10.0.0.7:8080".into(),
        }
    }

    #[test]
    fn a_server_alone_leads_always() {
        let alone = Leadership::alone();
        assert!(alone.holds() && alone.leader() == Leader::Here);
        alone.see(Some(there()));
        assert_eq!(alone.leader(), Leader::Here);
    }

    #[test]
    fn a_replica_leads_until_its_lease_may_have_ended() {
        let clock = TestClock::default();
        let one = Leadership::among_replicas(Arc::new(clock.clone()));
        assert!(!one.holds() && one.leader() == Leader::Nobody);
        one.hold(Instant::now(), clock.now(), LASTS);
        assert!(one.holds(), "it may take over");
        assert_eq!(one.leader(), Leader::Nobody, "but takes no requests yet");
        one.serve();
        assert_eq!(one.leader(), Leader::Here);
        clock.advance(time::Duration::seconds(5));
        assert!(
            !one.holds() && one.leader() == Leader::Nobody,
            "by the clock on the wall"
        );
        one.hold(Instant::now(), clock.now(), LASTS);
        assert_eq!(one.leader(), Leader::Here, "renewed after all");
        let long_ago = Instant::now().checked_sub(LASTS).expect("the machine runs for longer");
        one.hold(long_ago, clock.now(), LASTS);
        assert!(!one.holds(), "by the machine's own");
        one.see(Some(there()));
        assert_eq!(one.leader(), Leader::There(Arc::new(there())));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_the_next_leader() {
        let clock = TestClock::default();
        let one = Leadership::among_replicas(Arc::new(clock.clone()));
        one.see(Some(there()));
        let lost = one.leader();
        let mut next = Box::pin(one.leader_but(&lost, Duration::from_secs(60)));
        let mut held = Box::pin(one.held());
        assert!(next.as_mut().now_or_never().is_none() && held.as_mut().now_or_never().is_none());
        one.hold(Instant::now(), clock.now(), LASTS);
        assert!(held.now_or_never().is_some());
        assert!(next.as_mut().now_or_never().is_none());
        one.serve();
        assert_eq!(next.now_or_never(), Some(Leader::Here));
    }
}

//! A producer's event is published once, whatever goes wrong in between.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::future::join_all;
use micro_error::Error;
use micro_proto::events::{PublishRequest, PublishResponse, Stream};
use micro_storage::{
    StoreError,
    log::{Append, Appended, Entry, Extent, Log},
    memory::{MemoryLog, MemoryRecords},
};
use micro_tenancy::Tenant;
use time::{Duration, OffsetDateTime};

use crate::world::{World, event, owner, text, words};

async fn publish(world: &World, sequence: u64, payload: &str) -> Result<PublishResponse, Error> {
    let request = PublishRequest {
        producer: "till-7".into(),
        sequence,
        ..event("t", payload)
    };
    world.events.publish(&owner("ada-ns"), request).await
}

async fn texts(world: &World) -> Vec<String> {
    world.read(&owner("ada-ns"), "t").await.iter().map(text).collect()
}

#[tokio::test]
async fn the_same_sequence_is_published_once_even_at_once_and_after_a_restart() {
    let world = World::new();
    let tries = join_all((0..20).map(|_| publish(&world, 1, "a"))).await;
    let tries: Vec<_> = tries.into_iter().map(|tried| tried.expect("published")).collect();
    assert_eq!(tries.iter().filter(|tried| !tried.duplicate).count(), 1);
    assert!(tries.iter().all(|tried| tried.id == tries[0].id));
    let again = publish(&world.another(), 1, "a").await.expect("known");
    assert!(again.duplicate && again.id == tries[0].id);
    assert!(!publish(&world, 2, "b").await.expect("the next").duplicate);
    assert!(publish(&world, 1, "a").await.expect("known").duplicate);
    assert_eq!(texts(&world).await, ["a", "b"]);
}

#[tokio::test]
async fn producers_and_topics_and_namespaces_count_for_themselves() {
    let world = World::new();
    publish(&world, 1, "a").await.expect("published");
    for (namespace, topic, producer) in [
        ("ada-ns", "t", "till-8"),
        ("ada-ns", "u", "till-7"),
        ("bobs-ns", "t", "till-7"),
    ] {
        let request = PublishRequest {
            producer: producer.into(),
            sequence: 1,
            ..event(topic, "own")
        };
        let published = world
            .events
            .publish(&owner(namespace), request)
            .await
            .expect("published");
        assert!(!published.duplicate, "{namespace} {topic} {producer}");
    }
}

#[tokio::test]
async fn a_sequence_counts_from_one() {
    let (_, code, detail) = words(publish(&World::new(), 0, "a").await);
    assert_eq!((code, detail.as_str()), (400, "a producer's sequence counts from 1"));
}

#[tokio::test]
async fn a_producer_is_remembered_as_long_as_events_are_kept() {
    let world = World::new();
    publish(&world, 7, "a").await.expect("published");
    world.clock.advance(Duration::days(6));
    assert!(publish(&world, 7, "a").await.expect("known").duplicate);
    world.clock.advance(Duration::days(2));
    assert!(!publish(&world.another(), 7, "a").await.expect("forgotten").duplicate);
}

/// Fails its first append before it is done, and its second after.
#[derive(Default)]
struct Unsure {
    inner: MemoryLog,
    appends: AtomicUsize,
}

#[async_trait]
impl Log for Unsure {
    async fn append(&self, batches: Vec<Append<'_>>, now: OffsetDateTime) -> Vec<Result<Appended, StoreError>> {
        let failed = || vec![Err(StoreError::Failed("the connection was lost".into()))];
        match self.appends.fetch_add(1, Ordering::SeqCst) {
            0 => failed(),
            1 => {
                self.inner.append(batches, now).await;
                failed()
            }
            _ => self.inner.append(batches, now).await,
        }
    }

    async fn read(&self, tenant: &Tenant, topic: &str, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.read(tenant, topic, from, limit).await
    }

    async fn read_page(
        &self,
        tenant: &Tenant,
        topic: &str,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.read_page(tenant, topic, from, limit, max_bytes).await
    }

    async fn extent(&self, tenant: &Tenant, topic: &str) -> Result<Extent, StoreError> {
        self.inner.extent(tenant, topic).await
    }

    async fn offset_at(&self, tenant: &Tenant, topic: &str, at: OffsetDateTime) -> Result<u64, StoreError> {
        self.inner.offset_at(tenant, topic, at).await
    }

    async fn trim(&self, tenant: &Tenant, topic: &str, before: u64) -> Result<(), StoreError> {
        self.inner.trim(tenant, topic, before).await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.inner.erase(tenant).await
    }
}

#[tokio::test]
async fn an_append_of_unknown_outcome_is_looked_for_before_it_is_done_again() {
    let world = World::on(Arc::new(Unsure::default()), Arc::new(MemoryRecords::default()));
    assert_eq!(words(publish(&world, 1, "a").await).1, 500, "lost before");
    let (_, code, _) = words(publish(&world, 2, "b").await);
    assert_eq!(code, 409, "the first is not there: nothing may overtake it");
    assert_eq!(words(publish(&world, 1, "a").await).1, 500, "lost after");
    assert!(publish(&world, 1, "a").await.expect("found").duplicate);
    assert!(!publish(&world, 2, "b").await.expect("the next").duplicate);
    assert_eq!(texts(&world).await, ["a", "b"]);
}

#[tokio::test]
async fn what_another_replica_is_publishing_is_waited_for_and_taken_over_when_that_died() {
    let records = Arc::new(MemoryRecords::default());
    let dies = World::on(Arc::new(Unsure::default()), records);
    assert!(publish(&dies, 1, "a").await.is_err());
    let other = dies.another();
    assert_eq!(words(publish(&other, 1, "a").await).1, 503);
    other.clock.advance(Duration::MINUTE);
    assert!(publish(&other, 1, "a").await.is_err(), "this log fails twice");
    assert!(publish(&other, 1, "a").await.expect("found").duplicate);
    assert_eq!(texts(&other).await, ["a"]);
}

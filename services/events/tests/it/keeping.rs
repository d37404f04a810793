//! Housekeeping: one part of it, and one namespace, never keeps the rest from it.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use micro_clock::Clock;
use micro_domain::{Namespace, NamespaceName};
use micro_events::RETENTION;
use micro_storage::{
    StoreError,
    log::{Append, Appended, Entry, Extent, Log},
    memory::{MemoryLog, MemoryRecords},
    records::{Key, Records, Scan, Write},
};
use micro_tenancy::{SystemTask, Tenant};
use micro_testkit::authority;
use time::{Duration as Span, OffsetDateTime};
use tokio_util::task::AbortOnDropHandle;

use crate::world::{World, owner};

fn platform() -> Tenant {
    authority().enter(SystemTask::Sweep, Namespace::of_local(NamespaceName::micro()))
}

/// A log that never says what is how old.
#[derive(Default)]
struct Stuck(MemoryLog);

#[async_trait]
impl Log for Stuck {
    async fn append(&self, batches: Vec<Append<'_>>, now: OffsetDateTime) -> Vec<Result<Appended, StoreError>> {
        self.0.append(batches, now).await
    }

    async fn read(&self, tenant: &Tenant, topic: &str, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.0.read(tenant, topic, from, limit).await
    }

    async fn read_page(
        &self,
        tenant: &Tenant,
        topic: &str,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.0.read_page(tenant, topic, from, limit, max_bytes).await
    }

    async fn extent(&self, tenant: &Tenant, topic: &str) -> Result<Extent, StoreError> {
        self.0.extent(tenant, topic).await
    }

    async fn offset_at(&self, _: &Tenant, _: &str, _: OffsetDateTime) -> Result<u64, StoreError> {
        pending().await
    }

    async fn trim(&self, tenant: &Tenant, topic: &str, before: u64) -> Result<(), StoreError> {
        self.0.trim(tenant, topic, before).await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.0.erase(tenant).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_says_that_it_lives_whatever_its_sweep_and_its_clock_do() {
    let records = Arc::new(MemoryRecords::default());
    let world = World::replica_on(Arc::new(Stuck::default()), records.clone());
    world.publish(&owner("ada-ns"), "t", "old").await.expect("own");
    let _keeping = AbortOnDropHandle::new(tokio::spawn(world.events.clone().keep()));
    let said = async || {
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
        let scan = Scan::core("events-replicas", "");
        let found = records.scan(&platform(), scan, world.clock.now()).await;
        let found = found.expect("scans").into_iter().next();
        found.expect("it has said that it lives").version
    };
    let first = said().await;
    world.clock.advance(Span::seconds(20));
    let second = said().await;
    assert!(second > first, "the sweep is stuck");
    world.clock.advance(-Span::HOUR);
    assert!(said().await > second, "the clock was set back");
}

#[tokio::test]
async fn what_is_wrong_with_one_namespace_keeps_no_others_events() {
    let records = Arc::new(MemoryRecords::default());
    let world = World::on(Arc::new(MemoryLog::default()), records.clone());
    let ada = owner("ada-ns");
    world.publish(&ada, "t", "old").await.expect("own");
    let damaged = Write::put(Key::core("events-namespaces", "0"), "no namespace");
    records
        .write(&platform(), vec![damaged], world.clock.now())
        .await
        .expect("written");
    world.clock.advance(RETENTION + Span::HOUR);
    world.events.sweep().await.expect("swept");
    assert!(world.read(&ada, "t").await.is_empty());
}

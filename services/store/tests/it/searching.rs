//! Many records: by prefix and suffix, in either order, in parts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::FutureExt;
use micro_domain::Limits;
use micro_error::Kind;
use micro_proto::store::{ListOptions, ReadOptions, ReadRequest, Store};
use micro_storage::{
    StoreError,
    memory::{MemoryBlobs, MemoryRecords},
    records::{Key, Record, Records, Scan, Usage, Write, Written},
};
use micro_tenancy::Tenant;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::world::{World, admin, wire, write};

/// What each search is compared with: every key filtered, ordered, cut.
fn naive(keys: &[String], options: &ListOptions) -> Vec<String> {
    let matching = |key: &&String| key.starts_with(&options.prefix) && key.ends_with(&options.suffix);
    let mut found: Vec<String> = keys.iter().filter(matching).cloned().collect();
    found.sort();
    if options.order == "desc" {
        found.reverse();
    }
    let limit = if options.limit == 0 {
        usize::MAX
    } else {
        options.limit as usize
    };
    found.into_iter().skip(options.offset as usize).take(limit).collect()
}

fn searches() -> Vec<ListOptions> {
    let mut all = Vec::new();
    for prefix in ["", "a/", "b/1", "é", "none"] {
        for suffix in ["", "7", "nope"] {
            for (limit, offset) in [(0, 0), (1, 0), (10, 5), (0, 1_100), (40, 31), (5, 9_999)] {
                for order in ["", "asc", "desc"] {
                    all.push(ListOptions {
                        prefix: prefix.into(),
                        suffix: suffix.into(),
                        limit,
                        offset,
                        order: order.into(),
                        ..Default::default()
                    });
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn lists_and_reads_find_what_a_naive_search_finds() {
    let world = World::new();
    let ada = admin("ada-ns");
    let mut keys: Vec<String> = (0..1_300).map(|n| format!("a/{n:04}")).collect();
    keys.extend((0..150).map(|n| format!("b/{n}")));
    keys.extend(["é7".to_owned(), "a".to_owned(), "a0".to_owned()]);
    for key in &keys {
        world.put(&ada, key, &format!("value of {key}")).await;
    }
    for options in searches() {
        let expected = naive(&keys, &options);
        let listed = world.list(&ada, options.clone()).await.expect("listed");
        assert!(!listed.is_empty() && listed.iter().all(|message| message.len() <= 1_000));
        assert_eq!(listed.concat(), expected, "{options:?}");
    }
    let read = |key: &str, prefix, suffix, limit, offset| ReadRequest {
        key: key.into(),
        options: Some(ReadOptions {
            prefix,
            suffix,
            limit,
            offset,
            order: "desc".into(),
            ..Default::default()
        }),
    };
    let keys_of = |request| async {
        let found = world.store.read(&ada, request).await.expect("read").records;
        assert!(
            found
                .iter()
                .all(|r| r.value == format!("value of {}", r.key).as_bytes())
        );
        found.into_iter().map(|r| r.key).collect::<Vec<_>>()
    };
    assert_eq!(keys_of(read("b/", true, false, 2, 1)).await, ["b/98", "b/97"]);
    assert_eq!(keys_of(read("7", false, true, 2, 0)).await, ["é7", "b/97"]);
    assert_eq!(keys_of(read("a", true, true, 0, 0)).await, ["a"]);
    assert!(
        keys_of(read("none", true, false, 0, 0)).await.is_empty(),
        "no match is no error"
    );
}

#[tokio::test]
async fn an_unknown_order_is_refused() {
    let world = World::new();
    let options = ListOptions {
        order: "up".into(),
        ..Default::default()
    };
    let refused = world.list(&admin("ada-ns"), options).await.expect_err("no order");
    assert_eq!(wire(&refused), (400, "store.Store.List", "an order is asc or desc"));
}

#[tokio::test]
async fn an_answer_never_outgrows_a_message() {
    let world = World::new();
    let ada = admin("ada-ns");
    for n in 0..13 {
        let request = write(&format!("k{n:02}"), &vec![7; 1 << 20]);
        world.store.write(&ada, request).await.expect("written");
    }
    let read = |limit| ReadRequest {
        key: "k".into(),
        options: Some(ReadOptions {
            prefix: true,
            limit,
            ..Default::default()
        }),
    };
    let refused = world.store.read(&ada, read(0)).await.expect_err("13 MiB");
    assert_eq!((refused.kind(), refused.id()), (Kind::TooLarge, "store.Store.Read"));
    assert!(refused.message().contains("limit and offset"), "{refused}");
    assert_eq!(
        world.store.read(&ada, read(11)).await.expect("11 MiB").records.len(),
        11
    );
    assert_eq!(
        world
            .list(&ada, Default::default())
            .await
            .expect("keys only")
            .concat()
            .len(),
        13
    );
}

/// Records whose pages come when they are let, and are counted on the way.
struct Slow {
    inner: MemoryRecords,
    gate: Semaphore,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Records for Slow {
    async fn get(&self, tenant: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(tenant, keys, now).await
    }

    async fn write(&self, tenant: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
        self.inner.write(tenant, batch, now).await
    }

    async fn usage(&self, tenant: &Tenant) -> Result<Usage, StoreError> {
        self.inner.usage(tenant).await
    }

    async fn scan(&self, tenant: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
        let busy = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(busy, Ordering::SeqCst);
        self.gate.acquire().await.expect("open").forget();
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.inner.scan(tenant, scan, now).await
    }

    async fn tables(&self, tenant: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.tables(tenant).await
    }

    async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep(now, limit).await
    }

    async fn erase(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.inner.erase(tenant).await
    }
}

#[tokio::test]
async fn long_searches_of_a_namespace_take_turns_and_short_ones_do_not_wait() {
    let slow = Arc::new(Slow {
        inner: MemoryRecords::default(),
        gate: Semaphore::new(Semaphore::MAX_PERMITS),
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let world = World::on(slow.clone(), Arc::new(MemoryBlobs::default()), Limits::DEVELOPER);
    let (ada, eve) = (admin("ada-ns"), admin("eve-ns"));
    for caller in [&ada, &eve] {
        for n in 0..3_000 {
            world.put(caller, &format!("k{n:04}"), "v").await;
        }
    }
    let search = |suffix: &str, prefix: &str| ListOptions {
        suffix: suffix.into(),
        prefix: prefix.into(),
        ..Default::default()
    };
    // All are in the middle of their fifth page or behind it, but for those that wait for their turn.
    slow.gate.forget_permits(Semaphore::MAX_PERMITS);
    let mut searches: Vec<_> = [&ada, &ada, &ada, &ada, &ada, &eve]
        .into_iter()
        .map(|caller| Box::pin(world.list(caller, search("7", ""))))
        .collect();
    for _ in 0..4 {
        for search in &mut searches {
            assert!(search.as_mut().now_or_never().is_none(), "the gate is shut");
        }
        slow.gate.add_permits(searches.len());
    }
    for search in &mut searches {
        assert!(search.as_mut().now_or_never().is_none(), "the gate is shut");
    }
    assert_eq!(slow.now.load(Ordering::SeqCst), 3, "two of Ada's five, and Eve's");
    let mut short = Box::pin(world.list(&ada, search("", "k0001")));
    assert!(short.as_mut().now_or_never().is_none());
    assert_eq!(slow.now.load(Ordering::SeqCst), 4, "a short one is not in the queue");
    slow.gate.add_permits(1_000);
    for found in futures::future::join_all(searches).await {
        assert_eq!(found.expect("listed").concat().len(), 300);
    }
    assert_eq!(short.await.expect("listed").concat(), ["k0001"]);
}

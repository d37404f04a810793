//! The only place that reads and writes the runtime's records.

use std::sync::Arc;

use micro_clock::Clock;
use micro_domain::Namespace;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Record, Records, Scan, Write, Written},
};
use micro_tenancy::{Authority, SystemTask, Tenant};
use serde::{Serialize, de::DeserializeOwned};

use crate::state::{FIRST_UID, NamespaceRecord, ReleaseRecord, ServiceId, ServiceRecord, UIDS, home};

const SERVICES: &str = "runtime.services";
const RELEASES: &str = "runtime.releases";
const NAMESPACES: &str = "runtime.namespaces";
const UID: &str = "runtime.uids";
const LEAVING: &str = "runtime.leaving";
const BEGUN: &str = "runtime.begun";

/// A service as it was read.
pub enum Seen {
    /// It was there, of this version.
    Version(u64),
    /// It was not.
    New(NewPlace),
}

/// How many services a namespace has ever begun, as it was read: the next one takes this number.
pub struct NewPlace {
    begun: u64,
    version: Option<u64>,
}

/// The runtime's records.
#[derive(Clone)]
pub struct Store {
    records: Arc<dyn Records>,
    authority: Authority,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Over `records`; acts in namespaces as the reconciler.
    pub fn new(records: Arc<dyn Records>, authority: Authority, clock: Arc<dyn Clock>) -> Self {
        Self {
            records,
            authority,
            clock,
        }
    }

    /// Leave to act where a service runs.
    pub fn enter(&self, namespace: &Namespace) -> Tenant {
        self.authority.enter(SystemTask::Reconcile, namespace.clone())
    }

    /// One service, with the version to compare and set.
    pub async fn service(&self, tenant: &Tenant, id: &ServiceId) -> Result<Option<(ServiceRecord, u64)>, StoreError> {
        self.get(tenant, service_key(id)).await
    }

    /// Every service of a namespace, by name.
    pub async fn services(&self, tenant: &Tenant) -> Result<Vec<ServiceRecord>, StoreError> {
        self.scan(tenant, Scan::core(SERVICES, "")).await
    }

    /// One release.
    pub async fn release(
        &self,
        tenant: &Tenant,
        id: &ServiceId,
        number: u64,
    ) -> Result<Option<ReleaseRecord>, StoreError> {
        Ok(self
            .get(tenant, release_key(id, number))
            .await?
            .map(|(release, _)| release))
    }

    /// Every release kept of a service, oldest first.
    pub async fn releases(&self, tenant: &Tenant, id: &ServiceId) -> Result<Vec<ReleaseRecord>, StoreError> {
        self.scan(tenant, Scan::core(RELEASES, &release_prefix(id))).await
    }

    /// Every release of a namespace: artifacts are shared by digest.
    pub async fn all_releases(&self, tenant: &Tenant) -> Result<Vec<ReleaseRecord>, StoreError> {
        self.scan(tenant, Scan::core(RELEASES, "")).await
    }

    /// Stores a service with the release it wants, both or neither; false where somebody else was first.
    pub async fn want(
        &self,
        tenant: &Tenant,
        service: &ServiceRecord,
        seen: Seen,
        release: &ReleaseRecord,
    ) -> Result<bool, StoreError> {
        let expect = match &seen {
            Seen::Version(version) => Expect::Version(*version),
            Seen::New(_) => Expect::Absent,
        };
        let mut batch = vec![
            put(service_key(&service.id), service)?.expecting(expect),
            put(release_key(&service.id, release.number), release)?,
        ];
        if let Seen::New(NewPlace { begun, version }) = seen {
            let expect = version.map_or(Expect::Absent, Expect::Version);
            batch.push(put(begun_key(), &(begun + 1))?.expecting(expect));
        }
        self.write(tenant, batch).await
    }

    /// The place that the next new service of a namespace takes: one only, however many want it at once.
    pub async fn new_place(&self, tenant: &Tenant) -> Result<NewPlace, StoreError> {
        let found = self.get(tenant, begun_key()).await?;
        let (begun, version) = found.map_or((0, None), |(begun, version)| (begun, Some(version)));
        Ok(NewPlace { begun, version })
    }

    /// Replaces a service as it was seen; false where somebody else was first.
    pub async fn replace(&self, tenant: &Tenant, service: &ServiceRecord, seen: u64) -> Result<bool, StoreError> {
        let batch = vec![put(service_key(&service.id), service)?.expecting(Expect::Version(seen))];
        self.write(tenant, batch).await
    }

    /// Stores how far a release came.
    pub async fn put_release(
        &self,
        tenant: &Tenant,
        id: &ServiceId,
        release: &ReleaseRecord,
    ) -> Result<(), StoreError> {
        self.write(tenant, vec![put(release_key(id, release.number), release)?])
            .await
            .map(drop)
    }

    /// Forgets releases.
    pub async fn forget_releases(&self, tenant: &Tenant, id: &ServiceId, numbers: &[u64]) -> Result<(), StoreError> {
        let batch = numbers.iter().map(|n| Write::delete(release_key(id, *n))).collect();
        self.write(tenant, batch).await.map(drop)
    }

    /// Forgets a service, however often its record is changed meanwhile; whether there was one.
    pub async fn forget(&self, tenant: &Tenant, id: &ServiceId) -> Result<bool, StoreError> {
        while let Some((_, seen)) = self.service(tenant, id).await? {
            let gone = Write::delete(service_key(id)).expecting(Expect::Version(seen));
            match self.write(tenant, vec![gone]).await {
                Ok(true) => return Ok(true),
                Ok(false) | Err(StoreError::Contended(_)) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    /// Every namespace that has had services.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceRecord>, StoreError> {
        self.scan(&self.enter(&home()), Scan::core(NAMESPACES, "")).await
    }

    /// The namespace's record, made at its first service with uids of its own.
    pub async fn ensure_namespace(&self, namespace: &Namespace) -> Result<NamespaceRecord, StoreError> {
        let tenant = self.enter(&home());
        let key = || Key::core(NAMESPACES, namespace.id.to_string());
        loop {
            if let Some((record, _)) = self.get(&tenant, key()).await? {
                return Ok(record);
            }
            let next = || Key::core(UID, "next");
            let (uid_base, expect) = match self.get::<u32>(&tenant, next()).await? {
                Some((uid, seen)) => (uid, Expect::Version(seen)),
                None => (FIRST_UID, Expect::Absent),
            };
            let record = NamespaceRecord {
                namespace: namespace.clone(),
                uid_base,
            };
            let batch = vec![
                put(next(), &(uid_base + UIDS))?.expecting(expect),
                put(key(), &record)?.expecting(Expect::Absent),
            ];
            if self.write(&tenant, batch).await? {
                return Ok(record);
            }
        }
    }

    /// Asks the server that runs services to clear a namespace.
    pub async fn ask_to_leave(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let batch = vec![put(leaving_key(namespace), namespace)?];
        self.write(&self.enter(&home()), batch).await.map(drop)
    }

    /// Whether a namespace was asked to be cleared and is not yet.
    pub async fn is_to_leave(&self, namespace: &Namespace) -> Result<bool, StoreError> {
        let found = self
            .get::<Namespace>(&self.enter(&home()), leaving_key(namespace))
            .await?;
        Ok(found.is_some())
    }

    /// Every namespace that is to be cleared.
    pub async fn leaving(&self) -> Result<Vec<Namespace>, StoreError> {
        self.scan(&self.enter(&home()), Scan::core(LEAVING, "")).await
    }

    /// A namespace was cleared.
    pub async fn has_left(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let batch = vec![Write::delete(leaving_key(namespace))];
        self.write(&self.enter(&home()), batch).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, tenant: &Tenant, key: Key) -> Result<Option<(T, u64)>, StoreError> {
        let found = self.records.get(tenant, &[key], self.clock.now()).await?;
        found
            .into_iter()
            .next()
            .flatten()
            .map(|record| Ok((read(&record)?, record.version)))
            .transpose()
    }

    async fn scan<T: DeserializeOwned>(&self, tenant: &Tenant, scan: Scan) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        let mut page = scan.clone();
        loop {
            let records = self.records.scan(tenant, page, self.clock.now()).await?;
            for record in &records {
                all.push(read(record)?);
            }
            match records.last() {
                Some(last) if records.len() == Scan::MAX => page = scan.clone().after(&last.key),
                _ => return Ok(all),
            }
        }
    }

    async fn write(&self, tenant: &Tenant, batch: Vec<Write>) -> Result<bool, StoreError> {
        if batch.is_empty() {
            return Ok(true);
        }
        Ok(matches!(
            self.records.write(tenant, batch, self.clock.now()).await?,
            Written::Done(_)
        ))
    }
}

fn begun_key() -> Key {
    Key::core(BEGUN, "services")
}

/// Neither a name nor a version holds a colon, so that `v1` is never taken for `v10`.
fn service_key(id: &ServiceId) -> Key {
    Key::core(SERVICES, format!("{}:{}", id.name, id.version))
}

fn leaving_key(namespace: &Namespace) -> Key {
    Key::core(LEAVING, namespace.id.to_string())
}

fn release_prefix(id: &ServiceId) -> String {
    format!("{}:{}:", id.name, id.version)
}

fn release_key(id: &ServiceId, number: u64) -> Key {
    Key::core(RELEASES, format!("{}{number:020}", release_prefix(id)))
}

fn put(key: Key, value: &impl Serialize) -> Result<Write, StoreError> {
    let json = serde_json::to_vec(value).map_err(|e| StoreError::Failed(e.into()))?;
    Ok(Write::put(key, json))
}

fn read<T: DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.value).map_err(|e| StoreError::Damaged(format!("{}: {e}", record.key)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use micro_clock::TestClock;
    use micro_storage::{memory::MemoryRecords, records::Usage};
    use micro_testkit::{authority, tenant};
    use time::OffsetDateTime;

    use super::*;
    use crate::state::Outcome;

    /// Records that somebody else changes just before what is deleted goes.
    #[derive(Default)]
    struct Busy {
        inner: MemoryRecords,
        changes: AtomicUsize,
    }

    #[async_trait]
    impl Records for Busy {
        async fn get(&self, of: &Tenant, keys: &[Key], now: OffsetDateTime) -> Result<Vec<Option<Record>>, StoreError> {
            let found = self.inner.get(of, keys, now).await?;
            let left = self
                .changes
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if let (Ok(_), [key], [Some(record)]) = (left, keys, &found[..]) {
                let again = Write::put(key.clone(), record.value.clone());
                self.inner.write(of, vec![again], now).await?;
            }
            Ok(found)
        }
        async fn write(&self, of: &Tenant, batch: Vec<Write>, now: OffsetDateTime) -> Result<Written, StoreError> {
            self.inner.write(of, batch, now).await
        }
        async fn usage(&self, of: &Tenant) -> Result<Usage, StoreError> {
            self.inner.usage(of).await
        }
        async fn scan(&self, of: &Tenant, scan: Scan, now: OffsetDateTime) -> Result<Vec<Record>, StoreError> {
            self.inner.scan(of, scan, now).await
        }
        async fn tables(&self, of: &Tenant) -> Result<Vec<(String, String)>, StoreError> {
            self.inner.tables(of).await
        }
        async fn sweep(&self, now: OffsetDateTime, limit: usize) -> Result<usize, StoreError> {
            self.inner.sweep(now, limit).await
        }
        async fn erase(&self, of: &Tenant) -> Result<(), StoreError> {
            self.inner.erase(of).await
        }
    }

    fn service(now: OffsetDateTime) -> (ServiceRecord, ReleaseRecord) {
        let record = ServiceRecord {
            id: ServiceId {
                name: "greeter".into(),
                version: "latest".into(),
            },
            source: "source://greeter:latest".into(),
            source_namespace: tenant("ada-ns").namespace().clone(),
            entrypoint: String::new(),
            metadata: Default::default(),
            kind: "service".into(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            owner: "ada".into(),
            group: "ada-ns".into(),
            wanted: 1,
            good: None,
            updated_at: now,
        };
        let release = ReleaseRecord {
            number: 1,
            env: Vec::new(),
            outcome: Outcome::Pending,
            created_at: now,
        };
        (record, release)
    }

    #[tokio::test]
    async fn a_service_that_changes_meanwhile_is_forgotten_all_the_same() {
        let (records, clock) = (Arc::new(Busy::default()), TestClock::default());
        let store = Store::new(records.clone(), authority(), Arc::new(clock.clone()));
        let ada = tenant("ada-ns");
        let (record, release) = service(clock.now());
        let place = store.new_place(&ada).await.expect("read");
        let wanted = store.want(&ada, &record, Seen::New(place), &release).await;
        assert!(wanted.expect("written"));
        // As when its first instance becomes good: that is recorded, too.
        records.changes.store(3, Ordering::SeqCst);
        assert!(store.forget(&ada, &record.id).await.expect("forgotten"), "it was there");
        assert!(store.service(&ada, &record.id).await.expect("read").is_none());
        assert!(!store.forget(&ada, &record.id).await.expect("asked"), "it is gone");
    }
}

//! A store with a clock that stands still, callers, and requests in few words.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use micro_clock::{Clock, TestClock};
use micro_domain::Limits;
use micro_error::Error;
use micro_proto::store::{
    BlobReadRequest, BlobStore, BlobWriteRequest, ListOptions, ListRequest, ReadOptions, ReadRequest, Record, Store,
    WriteOptions, WriteRequest,
};
use micro_storage::{
    blobs::Blobs,
    memory::{MemoryBlobs, MemoryRecords},
    records::{self, Records, Scan},
};
use micro_store::{App, Parts};
use micro_tenancy::{AccountKind, Caller, Principal, Reach};
use micro_testkit::{authority, principal, tenant};

pub struct World {
    pub store: App,
    pub clock: TestClock,
    pub records: Arc<dyn Records>,
    pub blobs: Arc<dyn Blobs>,
    pub limits: Limits,
}

impl World {
    pub fn new() -> Self {
        Self::with(Limits::DEVELOPER)
    }

    pub fn with(limits: Limits) -> Self {
        Self::on(
            Arc::new(MemoryRecords::default()),
            Arc::new(MemoryBlobs::default()),
            limits,
        )
    }

    pub fn on(records: Arc<dyn Records>, blobs: Arc<dyn Blobs>, limits: Limits) -> Self {
        let clock = TestClock::default();
        Self {
            store: Self::app(&records, &blobs, &clock, limits),
            clock,
            records,
            blobs,
            limits,
        }
    }

    pub fn app(records: &Arc<dyn Records>, blobs: &Arc<dyn Blobs>, clock: &TestClock, limits: Limits) -> App {
        App::new(Parts {
            records: records.clone(),
            blobs: blobs.clone(),
            clock: Arc::new(clock.clone()),
            authority: authority(),
            limits,
        })
    }

    /// Core's own records of that table, of Ada's namespace or of the platform.
    pub async fn records_with(&self, table: &str) -> Vec<records::Record> {
        let now = self.clock.now();
        let mut all = Vec::new();
        for namespace in ["ada-ns", "micro"] {
            let found = self.records.scan(&tenant(namespace), Scan::core(table, ""), now).await;
            all.extend(found.expect("read"));
        }
        all
    }

    /// Writes into the caller's own namespace, table `micro`.
    pub async fn put(&self, caller: &Caller, key: &str, value: &str) {
        Store::write(&self.store, caller, write(key, value.as_bytes()))
            .await
            .expect("written");
    }

    pub async fn get(&self, caller: &Caller, key: &str) -> Result<Record, Error> {
        let records = Store::read(&self.store, caller, read(key)).await?.records;
        assert_eq!(records.len(), 1, "an exact read finds one");
        Ok(records.into_iter().next().expect("one"))
    }

    /// The keys of each message that answers a list.
    pub async fn list(&self, caller: &Caller, options: ListOptions) -> Result<Vec<Vec<String>>, Error> {
        let request = ListRequest { options: Some(options) };
        let messages = self.store.list(caller, request).await?;
        messages.map_ok(|message| message.keys).try_collect().await
    }

    pub async fn put_blob(&self, caller: &Caller, key: &str, parts: &[&[u8]]) -> Result<(), Error> {
        let messages: Vec<_> = parts.iter().map(|part| Ok(blob(key, part))).collect();
        BlobStore::write(&self.store, caller, stream::iter(messages).boxed())
            .await
            .map(drop)
    }

    /// The parts of a blob, as they come.
    pub async fn get_blob(&self, caller: &Caller, key: &str) -> Result<Vec<Vec<u8>>, Error> {
        let request = BlobReadRequest {
            key: key.into(),
            options: None,
        };
        let messages = BlobStore::read(&self.store, caller, request).await?;
        messages.map_ok(|message| message.blob).try_collect().await
    }
}

/// Somebody who may change things in the namespace of that name, and reaches no further.
pub fn admin(namespace: &str) -> Caller {
    authority().verified(principal(namespace, "somebody"))
}

/// A running service of that namespace.
pub fn service(namespace: &str) -> Caller {
    authority().verified(Principal {
        kind: AccountKind::Service,
        scopes: vec!["service".into()],
        ..principal(namespace, "greeter-1")
    })
}

/// Somebody of that namespace who may only look.
pub fn guest(namespace: &str) -> Caller {
    authority().verified(Principal {
        scopes: Vec::new(),
        ..principal(namespace, "guest")
    })
}

/// The one user of a local server.
pub fn local_admin() -> Caller {
    authority().verified(Principal {
        reach: Reach::Local,
        ..principal("micro", "admin")
    })
}

pub fn record(key: &str, value: &[u8]) -> Record {
    Record {
        key: key.into(),
        value: value.into(),
        ..Default::default()
    }
}

pub fn write(key: &str, value: &[u8]) -> WriteRequest {
    WriteRequest {
        record: Some(record(key, value)),
        options: None,
    }
}

pub fn write_in(database: &str, table: &str, key: &str, value: &str) -> WriteRequest {
    let options = WriteOptions {
        database: database.into(),
        table: table.into(),
    };
    WriteRequest {
        record: Some(record(key, value.as_bytes())),
        options: Some(options),
    }
}

pub fn read(key: &str) -> ReadRequest {
    ReadRequest {
        key: key.into(),
        options: None,
    }
}

pub fn read_in(database: &str, table: &str, key: &str) -> ReadRequest {
    let options = ReadOptions {
        database: database.into(),
        table: table.into(),
        ..Default::default()
    };
    ReadRequest {
        key: key.into(),
        options: Some(options),
    }
}

pub fn blob(key: &str, bytes: &[u8]) -> BlobWriteRequest {
    BlobWriteRequest {
        key: key.into(),
        options: None,
        blob: bytes.into(),
    }
}

/// An error as Micro's wire has it, in short.
pub fn wire(error: &Error) -> (u16, &str, &str) {
    (error.kind().status(), error.id(), error.message())
}

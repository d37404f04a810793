//! What the fake server keeps: the real store and config, in memory, for whoever holds a token.

use std::sync::Arc;

use async_trait::async_trait;
use micro_clock::SystemClock;
use micro_config::KeyRing;
use micro_domain::{AccountId, Limits, Namespace, NamespaceName};
use micro_error::Error;
use micro_proto::{
    config::{self, Config, Watcher},
    store::{self, Store},
};
use micro_rpc::{Service, Streaming};
use micro_storage::memory::{MemoryBlobs, MemoryRecords};
use micro_tenancy::{AccountKind, Authority, Caller, Principal, Reach};

use crate::fake::{NAMESPACE, known};

/// Both services, asked as the one account that the fake server has.
pub struct Kept {
    store: micro_store::App,
    config: micro_config::App,
    ada: Caller,
}

/// The services on an empty memory.
pub fn services() -> [Arc<dyn Service>; 3] {
    let records = Arc::new(MemoryRecords::default());
    let clock = Arc::new(SystemClock);
    #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
    let authority = Authority::for_boot();
    let store = micro_store::Parts {
        records: records.clone(),
        blobs: Arc::new(MemoryBlobs::default()),
        clock: clock.clone(),
        authority: authority.clone(),
        limits: Limits::DEVELOPER,
    };
    let config = micro_config::Parts {
        records,
        clock,
        keys: KeyRing::parse(&KeyRing::generate()).expect("own key"),
        limits: Limits::DEVELOPER,
    };
    let kept = Arc::new(Kept {
        store: micro_store::App::new(store),
        config: micro_config::App::new(config),
        ada: ada(&authority),
    });
    [
        Arc::new(store::StoreServer::new(kept.clone())),
        Arc::new(config::ConfigServer::new(kept.clone())),
        Arc::new(config::WatcherServer::new(kept)),
    ]
}

/// The account that every token of the fake server stands for: an administrator of her namespace.
pub fn ada(authority: &Authority) -> Caller {
    authority.verified(Principal {
        namespace: Namespace::of_local(NamespaceName::parse(NAMESPACE).expect("a name")),
        account: AccountId::new("ada-id"),
        name: "ada@example.com".into(),
        kind: AccountKind::User,
        scopes: vec!["admin".into()],
        session: None,
        instance: None,
        reach: Reach::Own,
    })
}

impl Kept {
    fn who(&self, caller: &Caller) -> Result<&Caller, Error> {
        known(caller).map(|()| &self.ada)
    }
}

#[async_trait]
impl Store for Kept {
    async fn read(&self, caller: &Caller, request: store::ReadRequest) -> Result<store::ReadResponse, Error> {
        Store::read(&self.store, self.who(caller)?, request).await
    }

    async fn write(&self, caller: &Caller, request: store::WriteRequest) -> Result<store::WriteResponse, Error> {
        Store::write(&self.store, self.who(caller)?, request).await
    }

    async fn delete(&self, caller: &Caller, request: store::DeleteRequest) -> Result<store::DeleteResponse, Error> {
        Store::delete(&self.store, self.who(caller)?, request).await
    }

    async fn list(
        &self,
        caller: &Caller,
        request: store::ListRequest,
    ) -> Result<Streaming<store::ListResponse>, Error> {
        Store::list(&self.store, self.who(caller)?, request).await
    }

    async fn databases(
        &self,
        caller: &Caller,
        request: store::DatabasesRequest,
    ) -> Result<store::DatabasesResponse, Error> {
        Store::databases(&self.store, self.who(caller)?, request).await
    }

    async fn tables(&self, caller: &Caller, request: store::TablesRequest) -> Result<store::TablesResponse, Error> {
        Store::tables(&self.store, self.who(caller)?, request).await
    }
}

#[async_trait]
impl Config for Kept {
    async fn get(&self, caller: &Caller, request: config::GetRequest) -> Result<config::GetResponse, Error> {
        self.config.get(self.who(caller)?, request).await
    }

    async fn set(&self, caller: &Caller, request: config::SetRequest) -> Result<config::SetResponse, Error> {
        self.config.set(self.who(caller)?, request).await
    }

    async fn delete(&self, caller: &Caller, request: config::DeleteRequest) -> Result<config::DeleteResponse, Error> {
        self.config.delete(self.who(caller)?, request).await
    }

    async fn read(&self, caller: &Caller, request: config::ReadRequest) -> Result<config::ReadResponse, Error> {
        self.config.read(self.who(caller)?, request).await
    }
}

#[async_trait]
impl Watcher for Kept {
    async fn watch(
        &self,
        caller: &Caller,
        request: config::WatchRequest,
    ) -> Result<Streaming<config::WatchResponse>, Error> {
        self.config.watch(self.who(caller)?, request).await
    }
}

//! What the fake server keeps: the real store, config and events, in memory, for whoever holds a token.

use std::sync::Arc;

use async_trait::async_trait;
use micro_clock::SystemClock;
use micro_config::KeyRing;
use micro_domain::{AccountId, Limits, Namespace, NamespaceName};
use micro_limits::MemoryLimiter;
use micro_rpc::{Call, Payload, Service, ServiceDescriptor, Status};
use micro_storage::memory::{MemoryBlobs, MemoryLog, MemoryRecords};
use micro_tenancy::{AccountKind, Authority, Caller, Principal, Reach};

use crate::fake::{NAMESPACE, known};

/// A service, asked as the one account that the fake server has.
struct AsAda {
    service: Arc<dyn Service>,
    ada: Caller,
}

#[async_trait]
impl Service for AsAda {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.service.descriptor()
    }

    async fn call(&self, call: Call) -> Result<Payload, Status> {
        known(&call.caller)?;
        let caller = self.ada.clone();
        self.service.call(Call { caller, ..call }).await
    }
}

/// The services on an empty memory.
pub fn services() -> Vec<Arc<dyn Service>> {
    let records = Arc::new(MemoryRecords::default());
    let clock = Arc::new(SystemClock);
    #[expect(clippy::disallowed_methods, reason = "a test stands in for boot")]
    let authority = Authority::for_boot();
    let store = micro_store::App::new(micro_store::Parts {
        records: records.clone(),
        blobs: Arc::new(MemoryBlobs::default()),
        clock: clock.clone(),
        authority: authority.clone(),
        limits: Limits::DEVELOPER,
    });
    let config = micro_config::App::new(micro_config::Parts {
        records: records.clone(),
        clock: clock.clone(),
        keys: KeyRing::parse(&KeyRing::generate()).expect("own key"),
        limits: Limits::DEVELOPER,
    });
    let events = micro_events::App::new(micro_events::Parts {
        log: Arc::new(MemoryLog::default()),
        records,
        clock,
        authority: authority.clone(),
        limiter: Arc::new(MemoryLimiter::default()),
        limits: Limits::DEVELOPER,
        shared: false,
    });
    let ada = ada(&authority);
    let as_ada = |service| -> Arc<dyn Service> {
        Arc::new(AsAda {
            service,
            ada: ada.clone(),
        })
    };
    let all = [store.services(), config.services(), events.services()];
    all.into_iter().flatten().map(as_ada).collect()
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

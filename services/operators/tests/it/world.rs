//! A platform of two customers, and an operator who is logged in.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use micro_clock::TestClock;
use micro_error::{Error, Kind};
use micro_operators::{OperatorsService, Ports, SealedSecrets};
use micro_proto::{
    billing,
    namespaces::{self, Identity, Namespace},
    operators::{LoginRequest, Operators},
};
use micro_storage::Db;
use micro_tenancy::{Caller, Tenant};
use micro_testkit::{TestDb, authority};
use secrecy::{ExposeSecret, SecretString};

/// The platform.
pub struct World {
    pub test: TestDb,
    pub db: Db,
    pub clock: TestClock,
    pub service: OperatorsService,
    pub secrets: Arc<Sealed>,
}

pub const ADA: &str = "0192f0c1-0000-7000-8000-00000000000a";
pub const BOB: &str = "0192f0c1-0000-7000-8000-00000000000b";

impl World {
    pub async fn new() -> Self {
        let test = TestDb::new().await;
        let db = test.db().await;
        let clock = TestClock::default();
        let secrets = Arc::<Sealed>::default();
        let ports = Ports {
            namespaces: Arc::new(Directory),
            identities: Arc::new(Directory),
            billing: Some(Arc::new(Books)),
            secrets: secrets.clone(),
        };
        let service = OperatorsService::new(db.clone(), ports, authority(), Arc::new(clock.clone()));
        Self {
            test,
            db,
            clock,
            service,
            secrets,
        }
    }

    /// The secret of the first day.
    pub async fn secret(&self) -> SecretString {
        self.service
            .first_boot()
            .await
            .expect("stored")
            .expect("the first boot")
    }

    /// Logs in; the token.
    pub async fn log_in(&self, secret: &SecretString) -> Result<SecretString, Error> {
        let request = LoginRequest {
            secret: secret.expose_secret().to_owned(),
        };
        Ok(self.service.login(&Caller::anonymous(), request).await?.token.into())
    }

    /// An operator who may do everything, through the door.
    pub async fn admin(&self) -> Caller {
        let token = self.log_in(&self.secret().await).await.expect("its secret");
        self.service
            .authenticate(&token)
            .await
            .expect("read")
            .expect("a fresh token")
    }

    /// The audit log, oldest first: action, target and reason.
    pub async fn audit(&self) -> Vec<String> {
        self.test
            .ask_superuser("select action || '|' || target || '|' || reason from audit order by at, audit_id")
            .await
    }
}

/// Secrets that an older key has sealed, by namespace; and whether those of bob can be opened.
#[derive(Default)]
pub struct Sealed {
    pub old: Mutex<HashMap<String, u64>>,
    pub bobs_key_is_gone: AtomicBool,
}

#[async_trait]
impl SealedSecrets for Sealed {
    async fn rotate(&self, tenant: &Tenant) -> Result<u64, Error> {
        let id = tenant.id().to_string();
        if id == BOB && self.bobs_key_is_gone.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Internal, "config", "this server has no key 1234"));
        }
        Ok(self.old.lock().expect("not poisoned").remove(&id).unwrap_or(0))
    }
}

/// Namespaces and identities of two customers.
struct Directory;

/// Only ada pays.
struct Books;

fn people() -> [Identity; 2] {
    [
        ("ada@example.com", ADA, "amber-otter-drift"),
        ("bob@example.com", BOB, "brisk-birch-bell"),
    ]
    .map(|(email, id, name)| Identity {
        email: email.into(),
        account: email.split('@').next().unwrap_or_default().into(),
        namespace: Some(Namespace {
            id: id.into(),
            name: name.into(),
            state: "active".into(),
            created_at: 7,
        }),
    })
}

fn elsewhere<T>() -> Result<T, Error> {
    Err(Error::new(Kind::Unimplemented, "test", "not asked here"))
}

#[async_trait]
impl namespaces::Namespaces for Directory {
    async fn reserve(&self, _: &Caller, _: namespaces::ReserveRequest) -> Result<namespaces::ReserveResponse, Error> {
        elsewhere()
    }

    async fn provision(
        &self,
        _: &Caller,
        _: namespaces::ProvisionRequest,
    ) -> Result<namespaces::ProvisionResponse, Error> {
        elsewhere()
    }

    async fn release(&self, _: &Caller, _: namespaces::ReleaseRequest) -> Result<namespaces::ReleaseResponse, Error> {
        elsewhere()
    }

    async fn get(&self, caller: &Caller, request: namespaces::GetRequest) -> Result<namespaces::GetResponse, Error> {
        caller.require_system()?;
        let all = people().into_iter().filter_map(|p| p.namespace);
        let namespace = all.into_iter().find(|n| n.id == request.id || n.name == request.name);
        match namespace {
            Some(found) => Ok(namespaces::GetResponse { namespace: Some(found) }),
            None => Err(Error::new(
                Kind::NotFound,
                "namespaces.not_found",
                "namespace not found",
            )),
        }
    }

    async fn list(&self, caller: &Caller, request: namespaces::ListRequest) -> Result<namespaces::ListResponse, Error> {
        caller.require_system()?;
        if request.cursor == "more" {
            return Ok(namespaces::ListResponse::default());
        }
        let namespaces = people().into_iter().filter_map(|p| p.namespace).collect();
        Ok(namespaces::ListResponse {
            namespaces,
            next_cursor: "more".into(),
        })
    }
}

#[async_trait]
impl namespaces::Identities for Directory {
    async fn find(
        &self,
        caller: &Caller,
        request: namespaces::FindIdentityRequest,
    ) -> Result<namespaces::FindIdentityResponse, Error> {
        caller.require_system()?;
        let identities = people().into_iter().filter(|p| p.email == request.email).collect();
        Ok(namespaces::FindIdentityResponse { identities })
    }

    async fn put(
        &self,
        _: &Caller,
        _: namespaces::PutIdentityRequest,
    ) -> Result<namespaces::PutIdentityResponse, Error> {
        elsewhere()
    }

    async fn remove(
        &self,
        _: &Caller,
        _: namespaces::RemoveIdentityRequest,
    ) -> Result<namespaces::RemoveIdentityResponse, Error> {
        elsewhere()
    }

    async fn list(
        &self,
        caller: &Caller,
        request: namespaces::ListIdentitiesRequest,
    ) -> Result<namespaces::ListIdentitiesResponse, Error> {
        caller.require_system()?;
        let mut identities = people().to_vec();
        let in_it = |p: &Identity| p.namespace.as_ref().is_some_and(|n| n.id == request.namespace_id);
        identities.retain(|p| request.namespace_id.is_empty() || in_it(p));
        Ok(namespaces::ListIdentitiesResponse {
            identities,
            next_cursor: String::new(),
        })
    }
}

#[async_trait]
impl billing::Billing for Books {
    async fn start_checkout(
        &self,
        _: &Caller,
        _: billing::StartCheckoutRequest,
    ) -> Result<billing::StartCheckoutResponse, Error> {
        elsewhere()
    }

    async fn read_checkout(
        &self,
        _: &Caller,
        _: billing::ReadCheckoutRequest,
    ) -> Result<billing::ReadCheckoutResponse, Error> {
        elsewhere()
    }

    async fn subscribe(&self, _: &Caller, _: billing::SubscribeRequest) -> Result<billing::SubscribeResponse, Error> {
        elsewhere()
    }

    async fn refund(&self, _: &Caller, _: billing::RefundRequest) -> Result<billing::RefundResponse, Error> {
        elsewhere()
    }

    async fn read(&self, caller: &Caller, request: billing::ReadRequest) -> Result<billing::ReadResponse, Error> {
        caller.require_system()?;
        match request.namespace_id == ADA {
            true => Ok(billing::ReadResponse {
                subscription: "sub_1".into(),
                status: "active".into(),
                ..Default::default()
            }),
            false => Err(Error::new(Kind::NotFound, "billing.not_found", "no subscription")),
        }
    }
}

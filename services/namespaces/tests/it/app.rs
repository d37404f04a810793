//! Both services over a database of the test's own, with walls that remember.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use micro_clock::{Ids, TestClock};
use micro_domain::Namespace;
use micro_error::{Error, Kind};
use micro_namespaces::{IdentitiesService, NamespacesService, Wall};
use micro_proto::namespaces::{self as wire, Namespaces};
use micro_tenancy::{Caller, SystemTask};
use micro_testkit::{TestDb, authority};

/// What was done, in order; one wall can be told to fail.
#[derive(Clone, Default)]
pub struct Site {
    done: Arc<Mutex<Vec<String>>>,
    broken: Arc<Mutex<Option<&'static str>>>,
}

impl Site {
    pub fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.done.lock().expect("unpoisoned"))
    }

    pub fn break_wall(&self, name: Option<&'static str>) {
        *self.broken.lock().expect("unpoisoned") = name;
    }
}

struct TestWall(&'static str, Site);

impl TestWall {
    fn act(&self, what: &str, namespace: &Namespace) -> Result<(), Error> {
        if *self.1.broken.lock().expect("unpoisoned") == Some(self.0) {
            return Err(Error::new(Kind::Unavailable, "test", "broken"));
        }
        self.1
            .done
            .lock()
            .expect("unpoisoned")
            .push(format!("{what} {} {}", self.0, namespace.name));
        Ok(())
    }
}

#[async_trait]
impl Wall for TestWall {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn raise(&self, namespace: &Namespace) -> Result<(), Error> {
        self.act("raise", namespace)
    }

    async fn lower(&self, namespace: &Namespace) -> Result<(), Error> {
        self.act("lower", namespace)
    }
}

pub struct TestApp {
    pub namespaces: NamespacesService,
    pub identities: IdentitiesService,
    pub clock: TestClock,
    pub site: Site,
    pub db: TestDb,
}

impl TestApp {
    pub async fn start() -> Self {
        let test = TestDb::new().await;
        let db = test.db().await;
        let (clock, site) = (TestClock::default(), Site::default());
        let walls: Vec<Arc<dyn Wall>> = vec![
            Arc::new(TestWall("directory", site.clone())),
            Arc::new(TestWall("quota", site.clone())),
        ];
        Self {
            namespaces: NamespacesService::new(db.clone(), Arc::new(clock.clone()), walls),
            identities: IdentitiesService::new(db, Arc::new(clock.clone())),
            clock,
            site,
            db: test,
        }
    }

    pub async fn reserve(&self, attempt: &str) -> wire::Namespace {
        let request = wire::ReserveRequest {
            attempt: attempt.to_owned(),
        };
        self.namespaces
            .reserve(&platform(), request)
            .await
            .expect("reserved")
            .namespace
            .expect("a namespace")
    }

    pub async fn provision(&self, id: &str) -> Result<wire::Namespace, Error> {
        let request = wire::ProvisionRequest { id: id.to_owned() };
        Ok(self
            .namespaces
            .provision(&platform(), request)
            .await?
            .namespace
            .expect("a namespace"))
    }

    pub async fn release(&self, attempt: &str) -> Result<(), Error> {
        let request = wire::ReleaseRequest {
            attempt: attempt.to_owned(),
        };
        self.namespaces.release(&platform(), request).await.map(drop)
    }

    /// A ready one.
    pub async fn active(&self) -> wire::Namespace {
        let reserved = self.reserve(&attempt()).await;
        self.provision(&reserved.id).await.expect("provisioned")
    }
}

pub fn attempt() -> String {
    Ids.random().to_string()
}

pub fn platform() -> Caller {
    authority().system(SystemTask::Signup)
}

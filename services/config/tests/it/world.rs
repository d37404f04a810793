//! A config service, callers, and requests in few words.

use std::sync::Arc;

use micro_clock::TestClock;
use micro_config::{App, KeyRing, Parts};
use micro_domain::Limits;
use micro_error::Error;
use micro_proto::config::{Config, DeleteRequest, GetRequest, Options, SetRequest, Value};
use micro_storage::records::{Key, Records};
use micro_tenancy::{Caller, Principal};
use micro_testkit::{InterleavedRecords, authority, principal, tenant};
use secrecy::SecretString;

pub struct World {
    pub config: App,
    pub clock: TestClock,
    records: Arc<dyn Records>,
}

impl World {
    pub fn new() -> Self {
        Self::on(
            Arc::new(InterleavedRecords::default()),
            &KeyRing::generate(),
            Limits::DEVELOPER,
        )
    }

    pub fn with(limits: Limits) -> Self {
        Self::on(Arc::new(InterleavedRecords::default()), &KeyRing::generate(), limits)
    }

    pub fn on(records: Arc<dyn Records>, keys: &SecretString, limits: Limits) -> Self {
        let clock = TestClock::default();
        let parts = Parts {
            records: records.clone(),
            clock: Arc::new(clock.clone()),
            keys: KeyRing::parse(keys).expect("keys"),
            limits,
        };
        Self {
            config: App::new(parts),
            clock,
            records,
        }
    }

    /// The same storage under other keys, as after a restart.
    pub fn restarted_with(&self, keys: &SecretString) -> Self {
        Self::on(self.records.clone(), keys, Limits::DEVELOPER)
    }

    pub async fn set(&self, caller: &Caller, path: &str, json: &str) -> Result<(), Error> {
        self.config.set(caller, set_in("", path, json, false)).await.map(drop)
    }

    pub async fn set_secret(&self, caller: &Caller, path: &str, json: &str) -> Result<(), Error> {
        self.config.set(caller, set_in("", path, json, true)).await.map(drop)
    }

    pub async fn get(&self, caller: &Caller, path: &str) -> Result<String, Error> {
        self.answer(caller, path, false).await
    }

    pub async fn get_secret(&self, caller: &Caller, path: &str) -> Result<String, Error> {
        self.answer(caller, path, true).await
    }

    pub async fn delete(&self, caller: &Caller, path: &str) -> Result<(), Error> {
        self.config.delete(caller, delete_in("", path)).await.map(drop)
    }

    async fn answer(&self, caller: &Caller, path: &str, secret: bool) -> Result<String, Error> {
        let answer = self.config.get(caller, get_in("", path, secret)).await?;
        Ok(answer.value.expect("a value").data)
    }

    /// What lies in storage.
    pub async fn stored(&self, namespace: &str) -> String {
        let now = micro_clock::Clock::now(&self.clock);
        let keys = [Key::core("config", "tree")];
        let found = self.records.get(&tenant(namespace), &keys, now).await.expect("read");
        let record = found.into_iter().flatten().next().expect("a tree");
        String::from_utf8(record.value.to_vec()).expect("text")
    }
}

/// Somebody who may change things in the namespace of that name, and reaches no further.
pub fn admin(namespace: &str) -> Caller {
    authority().verified(principal(namespace, "somebody"))
}

/// Somebody of that namespace who may only look.
pub fn guest(namespace: &str) -> Caller {
    authority().verified(Principal {
        scopes: Vec::new(),
        ..principal(namespace, "guest")
    })
}

pub fn set_in(namespace: &str, path: &str, json: &str, secret: bool) -> SetRequest {
    SetRequest {
        namespace: namespace.into(),
        path: path.into(),
        value: Some(Value {
            data: json.into(),
            format: String::new(),
        }),
        options: Some(Options { secret }),
    }
}

pub fn get_in(namespace: &str, path: &str, secret: bool) -> GetRequest {
    GetRequest {
        namespace: namespace.into(),
        path: path.into(),
        options: Some(Options { secret }),
    }
}

pub fn delete_in(namespace: &str, path: &str) -> DeleteRequest {
    DeleteRequest {
        namespace: namespace.into(),
        path: path.into(),
    }
}

/// An error as Micro's wire has it, in short.
pub fn wire(error: &Error) -> (u16, &str, &str) {
    (error.kind().status(), error.id(), error.message())
}

//! An auth service with a clock that stands still, and the callers that tests need.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use micro_auth::{App, AuthConfig, Directory, LocalNamespaces, Namespaces, NoDirectory, Parts, RefreshKey};
use micro_clock::{Clock, TestClock};
use micro_domain::{AccountId, Email, Namespace, NamespaceName};
use micro_error::Error;
use micro_limits::{MemoryLimiter, Rate};
use micro_proto::auth::{Auth, EnsureAccountRequest, Options, SealSecretRequest, Sessions, Token, TokenRequest};
use micro_storage::records::{Key, Record, Records, Scan, Write};
use micro_tenancy::{
    AccountKind, Authority, Caller, Principal, Reach, Revocations, SystemTask, Verifier, Verify,
    tokens::{KeyRing, SigningKey, Tokens},
};
use micro_testkit::InterleavedRecords;
use secrecy::SecretString;
use time::Duration;

/// The platform's namespaces and directory, as far as a test has filled them.
#[derive(Default)]
pub struct People(Mutex<HashMap<Email, Vec<(Namespace, AccountId)>>>);

#[async_trait]
impl Directory for People {
    async fn find(&self, email: &Email) -> Result<Vec<(Namespace, AccountId)>, Error> {
        Ok(self
            .0
            .lock()
            .expect("not poisoned")
            .get(email)
            .cloned()
            .unwrap_or_default())
    }
}

#[async_trait]
impl Namespaces for People {
    async fn by_name(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        let known = self.0.lock().expect("not poisoned");
        Ok(known
            .values()
            .flatten()
            .map(|(namespace, _)| namespace)
            .find(|n| n.name == *name)
            .cloned())
    }
}

/// One replica of an auth service, and what it shares with others.
pub struct World {
    pub auth: App,
    pub clock: TestClock,
    pub tokens: Arc<Tokens>,
    pub verifier: Arc<Verifier>,
    authority: Authority,
    people: Arc<People>,
    records: Arc<dyn Records>,
    local: bool,
}

impl World {
    pub fn platform() -> Self {
        Self::build(
            false,
            Arc::new(InterleavedRecords::default()),
            TestClock::default(),
            &SigningKey::generate(),
            None,
        )
    }

    pub fn platform_on(records: Arc<dyn Records>) -> Self {
        Self::build(false, records, TestClock::default(), &SigningKey::generate(), None)
    }

    pub fn local() -> Self {
        Self::build(
            true,
            Arc::new(InterleavedRecords::default()),
            TestClock::default(),
            &SigningKey::generate(),
            None,
        )
    }

    /// Another replica over the same storage and keys.
    pub fn replica(&self) -> Self {
        Self::build(
            self.local,
            self.records.clone(),
            self.clock.clone(),
            &SigningKey::generate(),
            Some(self),
        )
    }

    fn build(
        local: bool,
        records: Arc<dyn Records>,
        clock: TestClock,
        key: &SigningKey,
        beside: Option<&World>,
    ) -> Self {
        let authority = micro_testkit::authority();
        let new_tokens = || Arc::new(Tokens::new(KeyRing::new(key, []), "test", "main", local));
        let tokens = beside.map_or_else(new_tokens, |other| other.tokens.clone());
        let people = beside.map_or_else(Arc::default, |other| other.people.clone());
        let revocations = Arc::<Revocations>::default();
        let verifier = Arc::new(Verifier::new(tokens.clone(), revocations.clone()));
        let keys = vec![RefreshKey::new([7; 32])];
        let mut config = if local {
            AuthConfig::local(keys)
        } else {
            AuthConfig::platform(keys)
        };
        config.logins_per_account = Rate::of(5, Duration::MINUTE);
        config.limits.accounts.max = 4;
        config.limits.rules.max = 4;
        let (directory, namespaces): (Arc<dyn Directory>, Arc<dyn Namespaces>) = match local {
            true => (Arc::new(NoDirectory), Arc::new(LocalNamespaces)),
            false => (people.clone(), people.clone()),
        };
        let parts = Parts {
            records: records.clone(),
            clock: Arc::new(clock.clone()),
            authority: authority.clone(),
            tokens: tokens.clone(),
            revocations,
            verifier: verifier.clone(),
            limiter: Arc::new(MemoryLimiter::default()),
            directory,
            namespaces,
        };
        Self {
            auth: App::new(parts, config),
            clock,
            tokens,
            verifier,
            authority,
            people,
            records,
            local,
        }
    }

    /// Everything that is kept of a namespace's sessions.
    pub async fn sessions(&self, namespace: &Namespace) -> Vec<Record> {
        let tenant = self.authority.enter(SystemTask::Doors, namespace.clone());
        let now = self.clock.now();
        self.records
            .scan(&tenant, Scan::core("sessions", ""), now)
            .await
            .expect("read")
    }

    /// Puts it back.
    pub async fn put_sessions(&self, namespace: &Namespace, sessions: Vec<Record>) {
        let tenant = self.authority.enter(SystemTask::Doors, namespace.clone());
        let put = |record: Record| Write::put(Key::core("sessions", &record.key), record.value);
        let batch = sessions.into_iter().map(put).collect();
        self.records
            .write(&tenant, batch, self.clock.now())
            .await
            .expect("written");
    }

    /// The platform itself, in a namespace.
    pub fn system(&self, namespace: &Namespace) -> Caller {
        self.authority.system_in(SystemTask::Signup, namespace.clone())
    }

    /// The platform's runtime, in a namespace.
    pub fn runtime(&self, namespace: &Namespace) -> Caller {
        self.authority.system_in(SystemTask::Reconcile, namespace.clone())
    }

    /// Whoever a verified principal is.
    pub fn as_principal(&self, principal: Principal) -> Caller {
        self.authority.verified(principal)
    }

    /// Whoever holds an access token, as a door sees it.
    pub async fn holder(&self, token: &Token) -> Option<Caller> {
        let principal = self.verifier.verify(&token.access_token, self.clock.now()).await?;
        let bearer = SecretString::from(token.access_token.as_str());
        Some(
            self.authority
                .verified(Principal::clone(&principal))
                .with_bearer(bearer),
        )
    }

    /// Founds a namespace for a person, as signup does.
    pub async fn sign_up(&self, namespace: &str, email: &str, secret: &str) -> Namespace {
        let namespace = namespace_of(namespace);
        let system = self.system(&namespace);
        let sealed = self
            .auth
            .seal(&system, SealSecretRequest { secret: secret.into() })
            .await
            .expect("sealed");
        let request = EnsureAccountRequest {
            account: format!("owner-of-{}", namespace.name),
            name: email.into(),
            scopes: vec!["admin".into()],
            secret_hash: sealed.secret_hash,
        };
        let account = self
            .auth
            .ensure(&system, request)
            .await
            .expect("made")
            .account
            .expect("an account");
        let email = Email::parse(email).expect("an address");
        let place = (namespace.clone(), AccountId::new(account.id));
        self.people
            .0
            .lock()
            .expect("not poisoned")
            .entry(email)
            .or_default()
            .push(place);
        namespace
    }

    pub async fn log_in_from(&self, remote: &str, named: &str, id: &str, secret: &str) -> Result<Token, Error> {
        let metadata = [("remote".to_owned(), remote.to_owned())].into();
        let request = TokenRequest {
            id: id.into(),
            secret: secret.into(),
            options: Some(Options {
                namespace: named.into(),
            }),
            ..Default::default()
        };
        let answer = self
            .auth
            .token(&Caller::anonymous().with_metadata(metadata), request)
            .await?;
        Ok(answer.token.expect("a token"))
    }

    pub async fn log_in(&self, named: &str, id: &str, secret: &str) -> Result<Token, Error> {
        self.log_in_from("192.0.2.1:4711", named, id, secret).await
    }

    pub async fn refresh(&self, token: &str) -> Result<Token, Error> {
        let request = TokenRequest {
            refresh_token: token.into(),
            ..Default::default()
        };
        Ok(self
            .auth
            .token(&Caller::anonymous(), request)
            .await?
            .token
            .expect("a token"))
    }
}

pub fn namespace_of(name: &str) -> Namespace {
    Namespace::of_local(NamespaceName::parse(name).expect("a name"))
}

/// A running instance of a service.
pub fn service(namespace: &Namespace, name: &str, instance: micro_domain::InstanceId) -> Principal {
    Principal {
        namespace: namespace.clone(),
        account: AccountId::new(format!("{name}-latest")),
        name: format!("{name}-latest"),
        kind: AccountKind::Service,
        scopes: vec!["service".into()],
        session: None,
        instance: Some(instance),
        reach: Reach::Own,
    }
}

/// Micro's code and detail.
pub fn words<T: std::fmt::Debug>(result: Result<T, Error>) -> (i32, String) {
    let wire = result.expect_err("refused").to_wire();
    (wire.code, wire.detail)
}

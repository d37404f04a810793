//! Trading a secret for a session.

use std::net::{IpAddr, SocketAddr};

use micro_clock::Ids;
use micro_domain::{AccountId, Email, Namespace, NamespaceName};
use micro_limits::LimitKey;
use micro_tenancy::{AccountKind, Caller, Tenant};
use time::{Duration, OffsetDateTime};

use super::Granted;
use crate::{
    App, AuthError,
    store::{
        Store,
        accounts::{Account, Added},
    },
};

/// How many namespaces of one address are looked into: a wrong secret costs as many hashes, whoever has the address.
/// Beyond them a namespace is named.
const PLACES: usize = 4;

impl App {
    /// Logs in with an id or name, or an e-mail address where no namespace is named.
    pub(crate) async fn log_in(
        &self,
        caller: &Caller,
        named: &str,
        id: &str,
        secret: &str,
        ttl: Duration,
        now: OffsetDateTime,
    ) -> Result<Granted, AuthError> {
        self.count_address(caller, now).await?;
        // A service that logs its own users in means its own namespace, unless it says otherwise.
        let door = caller.principal().filter(|p| p.instance.is_some() && named.is_empty());
        let named = door.map_or(named, |p| p.namespace.name.as_str());
        let found = self.find_everywhere(named, id, now).await?;
        for (tenant, account) in &found {
            self.count_try(tenant.namespace().name.as_str(), account.id.as_str(), now)
                .await?;
        }
        if found.is_empty() {
            self.count_try(named, id, now).await?;
        }
        let sealed: Vec<_> = found.iter().map(|(_, account)| &account.secret).collect();
        let most = if self.is_address(named, id) { PLACES } else { 1 };
        let right = self.passwords.verify_each(secret, &sealed, most).await?;
        let matching = found.iter().zip(right).filter(|(_, right)| *right);
        let matching: Vec<_> = matching.map(|(found, _)| found).collect();
        match matching[..] {
            [(tenant, account)] => self.start_session(tenant, account, ttl, now).await,
            [] => Err(self.refusal(found.is_empty())),
            _ => {
                let name = |(tenant, _): &&(Tenant, _)| tenant.namespace().name.clone();
                Err(AuthError::SeveralNamespaces(matching.iter().map(name).collect()))
            }
        }
    }

    /// One more try from where the caller is.
    pub(crate) async fn count_address(&self, caller: &Caller, now: OffsetDateTime) -> Result<(), AuthError> {
        let Some(remote) = caller.metadata().get("remote") else {
            return Ok(());
        };
        let key = LimitKey::tries("login.address", network(remote));
        Ok(self
            .parts
            .limiter
            .take(key, 1, self.config.logins_per_address, now)
            .await?)
    }

    /// One more try at this account's secret, by whichever of its names it was asked for. One that nobody has is
    /// counted alike.
    pub(crate) async fn count_try(&self, namespace: &str, id: &str, now: OffsetDateTime) -> Result<(), AuthError> {
        let key = LimitKey::tries("login.account", format!("{namespace}/{}", id.trim().to_lowercase()));
        Ok(self
            .parts
            .limiter
            .take(key, 1, self.config.logins_per_account, now)
            .await?)
    }

    /// The local words of Micro tell unknown accounts from wrong secrets; the platform does not.
    pub(crate) fn refusal(&self, unknown: bool) -> AuthError {
        match (self.config.local, unknown) {
            (false, _) => AuthError::NotCorrect,
            (true, true) => AuthError::AccountNotFound,
            (true, false) => AuthError::SecretNotCorrect,
        }
    }

    /// The accounts that `id` may mean: one in a named namespace, or one in each that an address belongs to.
    async fn find_everywhere(
        &self,
        named: &str,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<(Tenant, Account)>, AuthError> {
        let mut found = Vec::new();
        if let (true, Ok(email)) = (self.is_address(named, id), Email::parse(id)) {
            for (namespace, account) in self.parts.directory.find(&email).await?.into_iter().take(PLACES) {
                let tenant = self.enter(namespace);
                if let Some((account, _)) = self.store(&tenant, now).find_account(&account).await? {
                    found.push((tenant, account));
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let Some(namespace) = self.namespace(named).await? else {
            return Ok(found);
        };
        let tenant = self.enter(namespace);
        self.ensure_admin(&tenant, now).await?;
        if let Some(account) = find_by_id_or_name(&self.store(&tenant, now), id).await? {
            found.push((tenant, account));
        }
        Ok(found)
    }

    /// Whether it means whatever namespaces an address has. A local server keeps no addresses.
    fn is_address(&self, named: &str, id: &str) -> bool {
        !self.config.local && matches!(named, "" | "micro") && Email::parse(id).is_ok()
    }

    async fn namespace(&self, named: &str) -> Result<Option<Namespace>, AuthError> {
        match NamespaceName::parse(if named.is_empty() { "micro" } else { named }) {
            Ok(name) => Ok(self.parts.namespaces.by_name(&name).await?),
            Err(_) => Ok(None),
        }
    }

    /// Makes a local server's administrator, unless its namespace has a user (reference/micro-wire §3.2).
    pub(crate) async fn ensure_admin(&self, tenant: &Tenant, now: OffsetDateTime) -> Result<(), AuthError> {
        if !self.config.default_admin || tenant.namespace().name != NamespaceName::micro() {
            return Ok(());
        }
        let make = || async {
            let store = self.store(tenant, now);
            let users = store.list_accounts(usize::MAX).await?;
            if users.iter().any(|account| account.kind == AccountKind::User) {
                return Ok(());
            }
            let admin = Account {
                id: AccountId::new("admin"),
                name: "admin".into(),
                kind: AccountKind::User,
                scopes: vec!["admin".into()],
                metadata: Default::default(),
                secret: self.passwords.seal("micro").await?,
                incarnation: Ids.random(),
            };
            match store.add_account(&admin, u64::MAX).await? {
                Added::Done | Added::IdTaken | Added::NameTaken | Added::Full(_) => Ok(()),
            }
        };
        self.admin.get_or_try_init(make).await.copied()
    }
}

/// What one subscriber of a network has: an IPv4 address, or the 64 bits that an IPv6 network is known by.
fn network(remote: &str) -> String {
    let address = remote
        .parse::<SocketAddr>()
        .map(|socket| socket.ip())
        .or_else(|_| remote.parse::<IpAddr>());
    match address.map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(v6)) => format!("{:?}", &v6.segments()[..4]),
        Ok(v4) => v4.to_string(),
        Err(_) => remote.to_owned(),
    }
}

/// The account of that id, or else of that name; an address in any case.
pub(super) async fn find_by_id_or_name(store: &Store<'_>, id: &str) -> Result<Option<Account>, AuthError> {
    if super::well_formed("An id", id).is_err() {
        return Ok(None);
    }
    if let Some((account, _)) = store.find_account(&AccountId::new(id)).await? {
        return Ok(Some(account));
    }
    match Email::parse(id) {
        Ok(email) => Ok(store.find_account_named(email.as_str()).await?),
        Err(_) => Ok(store.find_account_named(id).await?),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::Ordering};

    use async_trait::async_trait;
    use micro_clock::TestClock;
    use micro_error::Error;
    use micro_limits::MemoryLimiter;
    use micro_storage::memory::MemoryRecords;
    use micro_tenancy::{
        Revocations, Verifier,
        tokens::{KeyRing, SigningKey, Tokens},
    };

    use super::*;
    use crate::{AuthConfig, Directory, LocalNamespaces, Parts, RefreshKey, passwords};

    /// An address is in as many namespaces as it begins with.
    struct Several;

    fn place(number: usize) -> (Namespace, AccountId) {
        let name = NamespaceName::parse(format!("place-{number}")).expect("a name");
        (Namespace::of_local(name), AccountId::new("owner"))
    }

    #[async_trait]
    impl Directory for Several {
        async fn find(&self, email: &Email) -> Result<Vec<(Namespace, AccountId)>, Error> {
            let many = email.as_str()[..1].parse().expect("a number");
            Ok((0..many).map(place).collect())
        }
    }

    fn app() -> App {
        let tokens = Arc::new(Tokens::new(
            KeyRing::new(&SigningKey::generate(), []),
            "test",
            "main",
            false,
        ));
        let revocations = Arc::<Revocations>::default();
        let parts = Parts {
            records: Arc::new(MemoryRecords::default()),
            clock: Arc::new(TestClock::default()),
            authority: micro_testkit::authority(),
            tokens: tokens.clone(),
            revocations: revocations.clone(),
            verifier: Arc::new(Verifier::new(tokens, revocations)),
            limiter: Arc::new(MemoryLimiter::default()),
            directory: Arc::new(Several),
            namespaces: Arc::new(LocalNamespaces),
        };
        App::new(parts, AuthConfig::platform(vec![RefreshKey::new([7; 32])]))
    }

    #[tokio::test]
    async fn a_wrong_secret_costs_the_same_however_many_namespaces_an_address_has() {
        let (counted, hashed) = passwords::counted();
        let app = App {
            passwords: Arc::new(counted),
            ..app()
        };
        let now = app.parts.clock.now();
        let secret = app.passwords.seal("correct horse").await.expect("room");
        for number in 0..PLACES + 2 {
            let (namespace, id) = place(number);
            let owner = Account {
                id,
                name: "owner".into(),
                kind: AccountKind::User,
                scopes: vec![],
                metadata: Default::default(),
                secret: secret.clone(),
                incarnation: Ids.random(),
            };
            let tenant = app.enter(namespace);
            let added = app.store(&tenant, now).add_account(&owner, 9).await;
            assert!(matches!(added, Ok(Added::Done)));
        }
        let tries = async |named: &str, id: &str| {
            let before = hashed.load(Ordering::SeqCst);
            let refused = app
                .log_in(&Caller::anonymous(), named, id, "wrong", Duration::HOUR, now)
                .await;
            assert!(matches!(refused, Err(AuthError::NotCorrect)), "{id}");
            hashed.load(Ordering::SeqCst) - before
        };
        for many in 0..PLACES + 2 {
            assert_eq!(tries("", &format!("{many}@example.com")).await, PLACES, "{many}");
        }
        for (named, id) in [("place-0", "owner"), ("place-0", "nobody"), ("place-99", "owner")] {
            assert_eq!(tries(named, id).await, 1, "{id} of {named}");
        }
    }

    #[test]
    fn all_addresses_of_one_subscriber_count_together() {
        assert_eq!(network("192.0.2.1:4711"), network("192.0.2.1"));
        assert_eq!(network("[::ffff:192.0.2.1]:80"), network("192.0.2.1:1"));
        assert_eq!(network("[2001:db8:1:2::7]:80"), network("[2001:db8:1:2:ffff::9]:443"));
        assert_ne!(network("[2001:db8:1:2::7]:80"), network("[2001:db8:1:3::7]:80"));
        assert_ne!(network("192.0.2.1:80"), network("192.0.2.2:80"));
    }
}

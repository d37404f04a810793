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

/// How many namespaces of one address are looked into.
const PLACES: usize = 8;

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
        let mut matching = Vec::new();
        for (tenant, account) in &found {
            if self.passwords.verify(secret, &account.secret).await? {
                matching.push((tenant, account));
            }
        }
        match matching[..] {
            [(tenant, account)] => self.start_session(tenant, account, ttl, now).await,
            [] => {
                let compared: Vec<_> = found.iter().map(|(_, account)| &account.secret).collect();
                self.passwords.verify_nobody(secret, &compared).await?;
                Err(self.refusal(found.is_empty()))
            }
            _ => {
                let name = |(tenant, _): &(&Tenant, _)| tenant.namespace().name.clone();
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
        if let ("" | "micro", Ok(email)) = (named, Email::parse(id)) {
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
    use super::network;

    #[test]
    fn all_addresses_of_one_subscriber_count_together() {
        assert_eq!(network("192.0.2.1:4711"), network("192.0.2.1"));
        assert_eq!(network("[::ffff:192.0.2.1]:80"), network("192.0.2.1:1"));
        assert_eq!(network("[2001:db8:1:2::7]:80"), network("[2001:db8:1:2:ffff::9]:443"));
        assert_ne!(network("[2001:db8:1:2::7]:80"), network("[2001:db8:1:3::7]:80"));
        assert_ne!(network("192.0.2.1:80"), network("192.0.2.2:80"));
    }
}

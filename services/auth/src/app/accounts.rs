//! Accounts: made, listed, given another secret, deleted.

use std::collections::BTreeMap;

use micro_clock::Ids;
use micro_domain::AccountId;
use micro_tenancy::{AccountKind, Caller, LimitReached, Reach, Revocation, Tenant};
use secrecy::SecretString;
use time::OffsetDateTime;

use super::{LONGEST_TEXT, well_formed};
use crate::{
    App, AuthError,
    passwords::{Sealed, random_secret},
    store::{
        accounts::{Account, Added, RACES},
        tally::Counted,
    },
};

/// An account to be made. Empty parts have defaults.
pub struct NewAccount {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub scopes: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    pub secret: String,
}

/// As many scopes or metadata entries as an account may have.
const ENTRIES: usize = 64;

impl App {
    /// Makes an account; it and its secret, which is shown this once.
    pub(crate) async fn generate(
        &self,
        tenant: &Tenant,
        new: NewAccount,
        now: OffsetDateTime,
    ) -> Result<(Account, SecretString), AuthError> {
        if new.id.is_empty() {
            return Err(AuthError::IdRequired);
        }
        let kind = match new.kind.as_str() {
            "" | "user" => AccountKind::User,
            "service" => AccountKind::Service,
            _ => return Err(AuthError::UnknownType),
        };
        let name = if new.name.is_empty() { new.id.clone() } else { new.name };
        let metadata = new.metadata.iter().flat_map(|(key, value)| [key, value]);
        for text in [&new.id, &name].into_iter().chain(&new.scopes).chain(metadata) {
            well_formed("Each part of an account", text)?;
        }
        if new.scopes.len() > ENTRIES || new.metadata.len() > ENTRIES {
            return Err(AuthError::Malformed("Each part of an account", LONGEST_TEXT));
        }
        let (store, limit) = (self.store(tenant, now), self.config.limits.accounts);
        // Before anything is hashed; decided when it is added.
        let used = store.tally(Counted::Accounts).await?.count;
        if store.find_account(&AccountId::new(new.id.as_str())).await?.is_none() {
            LimitReached::check(limit, used)?;
        }
        let (secret, sealed) = match new.secret.as_str() {
            "" => random_secret(),
            given => (given.into(), self.passwords.seal(given).await?),
        };
        let account = Account {
            id: AccountId::new(new.id),
            name,
            kind,
            scopes: new.scopes,
            metadata: new.metadata,
            secret: sealed,
            incarnation: Ids.random(),
        };
        match store.add_account(&account, limit.max).await? {
            Added::Done => Ok((account, secret)),
            Added::IdTaken => Err(AuthError::IdTaken),
            Added::NameTaken => Err(AuthError::NameTaken),
            Added::Full(used) => Err(LimitReached::new(limit, used).into()),
        }
    }

    /// The user of that id with that secret, made if absent.
    pub(crate) async fn ensure_account(
        &self,
        tenant: &Tenant,
        id: AccountId,
        name: String,
        scopes: Vec<String>,
        secret: Sealed,
        now: OffsetDateTime,
    ) -> Result<Account, AuthError> {
        for text in [id.as_str(), &name]
            .into_iter()
            .chain(scopes.iter().map(String::as_str))
        {
            well_formed("Each part of an account", text)?;
        }
        let new = Account {
            id,
            name,
            kind: AccountKind::User,
            scopes,
            metadata: BTreeMap::new(),
            secret,
            incarnation: Ids.random(),
        };
        let limit = self.config.limits.accounts;
        match self.store(tenant, now).add_account(&new, limit.max).await? {
            Added::Done => Ok(new),
            Added::IdTaken => self.set_secret(tenant, &new.id, new.secret, now).await,
            Added::NameTaken => Err(AuthError::NameTaken),
            Added::Full(used) => Err(LimitReached::new(limit, used).into()),
        }
    }

    /// The accounts of a namespace.
    pub(crate) async fn list_accounts(&self, tenant: &Tenant, now: OffsetDateTime) -> Result<Vec<Account>, AuthError> {
        self.ensure_admin(tenant, now).await?;
        Ok(self.store(tenant, now).list_accounts(usize::MAX).await?)
    }

    /// Deletes an account and ends all it has begun.
    pub(crate) async fn delete_account(
        &self,
        caller: &Caller,
        tenant: &Tenant,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<(), AuthError> {
        if id.is_empty() {
            return Err(AuthError::MissingId);
        }
        let own = caller
            .principal()
            .is_some_and(|p| p.account.as_str() == id && p.namespace.id == tenant.id());
        if own {
            return Err(AuthError::OwnAccount);
        }
        let id = AccountId::new(id);
        match self.remove_account(caller, tenant, &id, now).await {
            // An earlier attempt removed it and came no further.
            Err(AuthError::AccountNotFound) if !self.store(tenant, now).list_sessions(&id).await?.is_empty() => {}
            removed => removed?,
        }
        // The account is gone, so that nothing can be refreshed; what was issued up to this moment is now void.
        let gone = self.parts.clock.now();
        self.revoke(vec![Revocation::Account(tenant.id(), id.clone())], gone)
            .await?;
        self.end_other_sessions(tenant, &id, None, gone).await
    }

    /// Removes an account, unless nobody would be left who may manage the namespace.
    async fn remove_account(
        &self,
        caller: &Caller,
        tenant: &Tenant,
        id: &AccountId,
        now: OffsetDateTime,
    ) -> Result<(), AuthError> {
        let store = self.store(tenant, now);
        // A local server's administrator manages every namespace, from its own.
        let outside = caller.principal().is_some_and(|p| p.namespace.id != tenant.id());
        for _ in 0..RACES {
            let tally = store.tally(Counted::Accounts).await?;
            let Some((account, _)) = store.find_account(id).await? else {
                return Err(AuthError::AccountNotFound);
            };
            if account.is_admin() && !outside {
                let accounts = store.list_accounts(usize::MAX).await?;
                if !accounts.iter().any(|other| other.id != *id && other.is_admin()) {
                    return Err(AuthError::LastAdmin);
                }
            }
            // Two administrators who delete each other: the second one's tally is an old one.
            if store.remove_account(&account, tally).await? {
                return Ok(());
            }
        }
        Err(AuthError::Changed)
    }

    /// Changes a secret, with the old one or as an administrator of people other than oneself; ends the
    /// account's other sessions.
    pub(crate) async fn change_secret(
        &self,
        caller: &Caller,
        tenant: &Tenant,
        id: &str,
        (old, new): (&str, &str),
        now: OffsetDateTime,
    ) -> Result<(), AuthError> {
        if new.is_empty() {
            return Err(AuthError::NewSecretBlank);
        }
        let found = super::log_in::find_by_id_or_name(&self.store(tenant, now), id).await?;
        let account = found.ok_or(AuthError::AccountNotFound)?;
        let own = caller
            .principal()
            .is_some_and(|p| p.account == account.id && p.namespace.id == tenant.id());
        let may_do_without = caller.principal().is_none_or(|p| {
            // Whoever shows a secret for its own account, where it need not, has it checked all the same: a mistyped
            // one is more likely than not somebody else at the keyboard, or the wrong account.
            let shown = own && !old.is_empty();
            let everywhere = p.reach == Reach::Local && !shown;
            everywhere || (p.is_admin() && p.kind == AccountKind::User && !own)
        });
        if !may_do_without {
            self.count_address(caller, now).await?;
            self.count_try(tenant.namespace().name.as_str(), account.id.as_str(), now)
                .await?;
            if !self.passwords.verify(old, &account.secret).await? {
                return Err(AuthError::SecretNotCorrect);
            }
        }
        let sealed = self.passwords.seal(new).await?;
        let account = self.set_secret(tenant, &account.id, sealed, now).await?;
        let keep = caller.principal().and_then(|p| p.session);
        self.end_other_sessions(tenant, &account.id, keep, now).await
    }

    /// The account of that id.
    pub(crate) async fn find_account(
        &self,
        tenant: &Tenant,
        id: &AccountId,
        now: OffsetDateTime,
    ) -> Result<Account, AuthError> {
        let found = self.store(tenant, now).find_account(id).await?;
        found.map(|(account, _)| account).ok_or(AuthError::AccountNotFound)
    }

    /// Gives an account another secret.
    pub(crate) async fn set_secret(
        &self,
        tenant: &Tenant,
        id: &AccountId,
        secret: Sealed,
        now: OffsetDateTime,
    ) -> Result<Account, AuthError> {
        let store = self.store(tenant, now);
        for _ in 0..5 {
            let found = store.find_account(id).await?;
            let (mut account, version) = found.ok_or(AuthError::AccountNotFound)?;
            account.secret = secret.clone();
            if store.put_account(&account, version).await? {
                return Ok(account);
            }
        }
        Err(AuthError::Changed)
    }
}

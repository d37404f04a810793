//! Accounts, by id; and their names, each of which leads to one id.

use std::collections::BTreeMap;

use micro_domain::AccountId;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Write, Written},
};
use micro_tenancy::AccountKind;
use serde::{Deserialize, Serialize};

use super::{Store, json, parse};
use crate::passwords::Sealed;

/// A stored account.
#[derive(Clone, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub kind: AccountKind,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    pub secret: Sealed,
}

/// What adding an account came to.
pub enum Added {
    Done,
    IdTaken,
    NameTaken,
}

const TABLE: &str = "accounts";
const NAMES: &str = "account_names";

impl Store<'_> {
    /// The account of that id and its version.
    pub async fn find_account(&self, id: &AccountId) -> Result<Option<(Account, u64)>, StoreError> {
        let found = self.read(Key::core(TABLE, id.as_str())).await?;
        Ok(found.map(|(account, record)| (account, record.version)))
    }

    /// The account of that name.
    pub async fn find_account_named(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let Some((id, _)) = self.read(Key::core(NAMES, name)).await? else {
            return Ok(None);
        };
        Ok(self.find_account(&id).await?.map(|(account, _)| account))
    }

    /// Accounts by id, at most `limit`.
    pub async fn list_accounts(&self, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.all(TABLE, "", limit).await?.iter().map(parse).collect()
    }

    /// Adds an account whose id and name are both free.
    pub async fn add_account(&self, account: &Account) -> Result<Added, StoreError> {
        let batch = vec![
            Write::put(Key::core(TABLE, account.id.as_str()), json(account)).expecting(Expect::Absent),
            Write::put(Key::core(NAMES, &account.name), json(&account.id)).expecting(Expect::Absent),
        ];
        if let Written::Done(_) = self.write(batch).await? {
            return Ok(Added::Done);
        }
        // Where both are taken, back ends differ in which of the two they name.
        let id_taken = self.find_account(&account.id).await?.is_some();
        Ok(if id_taken { Added::IdTaken } else { Added::NameTaken })
    }

    /// Stores the account again; `false` if it is no longer of that version.
    pub async fn put_account(&self, account: &Account, version: u64) -> Result<bool, StoreError> {
        let write =
            Write::put(Key::core(TABLE, account.id.as_str()), json(account)).expecting(Expect::Version(version));
        Ok(matches!(self.write(vec![write]).await?, Written::Done(_)))
    }

    /// Removes the account and its name.
    pub async fn remove_account(&self, account: &Account) -> Result<(), StoreError> {
        let batch = vec![
            Write::delete(Key::core(TABLE, account.id.as_str())),
            Write::delete(Key::core(NAMES, &account.name)),
        ];
        self.write(batch).await.map(|_| ())
    }
}

//! Accounts, by id; and their names, each of which leads to one id.

use std::collections::BTreeMap;

use micro_domain::AccountId;
use micro_storage::{
    StoreError,
    records::{Expect, Key, Write, Written},
};
use micro_tenancy::AccountKind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Store, json, parse,
    tally::{Counted, Tally},
};
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
    /// Drawn when it was made: another account of the same id, made later, is another one.
    #[serde(default)]
    pub incarnation: Uuid,
}

impl Account {
    /// Whether it is a person who may manage the namespace.
    pub fn is_admin(&self) -> bool {
        self.kind == AccountKind::User && self.scopes.iter().any(|scope| scope.eq_ignore_ascii_case("admin"))
    }
}

/// What adding an account came to.
pub enum Added {
    Done,
    IdTaken,
    NameTaken,
    /// There are so many that no more may be added.
    Full(u64),
}

const TABLE: &str = Counted::Accounts.table();
/// How often a change is made again because another came first.
pub const RACES: usize = 200;
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

    /// Adds an account whose id and name are both free, if there are fewer than `most`.
    pub async fn add_account(&self, account: &Account, most: u64) -> Result<Added, StoreError> {
        for _ in 0..RACES {
            let tally = self.tally(Counted::Accounts).await?;
            if tally.count >= most {
                return Ok(match self.find_account(&account.id).await? {
                    Some(_) => Added::IdTaken,
                    None => Added::Full(tally.count),
                });
            }
            let batch = vec![
                Write::put(Key::core(TABLE, account.id.as_str()), json(account)).expecting(Expect::Absent),
                Write::put(Key::core(NAMES, &account.name), json(&account.id)).expecting(Expect::Absent),
                tally.becomes(tally.count + 1),
            ];
            if let Written::Done(_) = self.write(batch).await? {
                return Ok(Added::Done);
            }
            // Of several conditions that do not hold, back ends differ in which one they name.
            if self.find_account(&account.id).await?.is_some() {
                return Ok(Added::IdTaken);
            }
            if self.read::<AccountId>(Key::core(NAMES, &account.name)).await?.is_some() {
                return Ok(Added::NameTaken);
            }
        }
        Err(StoreError::Contended(None))
    }

    /// Stores the account again; `false` if it is no longer of that version.
    pub async fn put_account(&self, account: &Account, version: u64) -> Result<bool, StoreError> {
        let write =
            Write::put(Key::core(TABLE, account.id.as_str()), json(account)).expecting(Expect::Version(version));
        Ok(matches!(self.write(vec![write]).await?, Written::Done(_)))
    }

    /// Removes the account and its name, unless any account was added or removed since the tally was read; whether
    /// it did.
    pub async fn remove_account(&self, account: &Account, tally: Tally) -> Result<bool, StoreError> {
        let batch = vec![
            Write::delete(Key::core(TABLE, account.id.as_str())),
            Write::delete(Key::core(NAMES, &account.name)),
            tally.becomes(tally.count.saturating_sub(1)),
        ];
        Ok(matches!(self.write(batch).await?, Written::Done(_)))
    }
}

//! How many accounts and rules a namespace has. The number changes in the same batch as what it counts, so that it
//! is never passed by two at once; and the version it has tells whether anything was added or removed since.

use micro_storage::{
    StoreError,
    records::{Expect, Key, Write},
};

use super::{Store, json, parse};

const TABLE: &str = "tallies";

/// What is counted: the name of its table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Accounts,
    Rules,
}

impl Counted {
    pub const fn table(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Rules => "rules",
        }
    }

    pub fn key(self) -> Key {
        Key::core(TABLE, self.table())
    }
}

/// A count as it was read.
#[derive(Clone, Copy)]
pub struct Tally {
    of: Counted,
    pub count: u64,
    /// The version of the record it stands in; none where there is none yet.
    pub version: Option<u64>,
}

impl Tally {
    /// Makes it another number, unless it was changed since.
    pub fn becomes(self, count: u64) -> Write {
        let expect = self.version.map_or(Expect::Absent, Expect::Version);
        Write::put(self.of.key(), json(&count)).expecting(expect)
    }
}

impl Store<'_> {
    /// How many there are now.
    pub async fn tally(&self, of: Counted) -> Result<Tally, StoreError> {
        let found = self.records.get(self.tenant, &[of.key()], self.now).await?;
        let Some(record) = found.into_iter().next().flatten() else {
            let count = self.all(of.table(), "", usize::MAX).await?.len() as u64;
            return Ok(Tally {
                of,
                count,
                version: None,
            });
        };
        Ok(Tally {
            of,
            count: parse(&record)?,
            version: Some(record.version),
        })
    }

    /// What changes whenever something is added or removed, without counting.
    pub async fn version_of(&self, of: Counted) -> Result<Option<u64>, StoreError> {
        let found = self.records.get(self.tenant, &[of.key()], self.now).await?;
        Ok(found.into_iter().next().flatten().map(|record| record.version))
    }
}
